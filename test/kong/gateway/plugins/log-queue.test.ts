import assert from 'node:assert/strict'
import { LogQueue, type QueueConfig } from '../../../../kong/gateway/plugins/log-queue.ts'
import { silentLog } from '../../../support/plugin-server.ts'

const CONFIG: QueueConfig = {
  max_batch_size: 2,
  max_coalescing_delay: 1,
  max_entries: 4,
  max_bytes: null,
  initial_retry_delay: 0.01,
  max_retry_delay: 0.05,
  max_retry_time: 0.2,
}

/** A queue whose time stands still but for its own sleeps, and a server that answers as `answers` says. */
function queueOf(config: QueueConfig, answers: readonly boolean[] = []) {
  const sent: (readonly string[])[] = []
  const slept: number[] = []
  let nowMs = 0
  let tries = 0
  const queue = new LogQueue(config, {
    name: 'test',
    logger: silentLog,
    now: () => nowMs,
    async send(batch) {
      if (answers[tries++] === false) throw new Error('no')
      sent.push(batch)
    },
    async sleep(ms) {
      slept.push(ms)
      nowMs += ms
      await new Promise(setImmediate)
    },
  })
  return { queue, sent, slept, push: (entry: string) => queue.push(entry, config) }
}

describe('the queue of http-log', () => {
  it('sends whole batches at once, and a smaller one when it has waited for others', async () => {
    const { queue, sent, slept, push } = queueOf(CONFIG)
    for (const entry of ['a', 'b', 'c']) push(entry)
    await queue.close()
    assert.deepEqual(sent, [['a', 'b'], ['c']])
    assert.ok(slept.every(ms => ms === 1_000))
  })

  it('drops the oldest entries when it is full', async () => {
    const { queue, sent, push } = queueOf({ ...CONFIG, max_batch_size: 10 })
    for (const entry of ['a', 'b', 'c', 'd', 'e', 'f']) push(entry)
    await queue.close()
    assert.deepEqual(sent, [['c', 'd', 'e', 'f']])
  })

  it('counts bytes where it is told to', async () => {
    const { queue, sent, push } = queueOf({ ...CONFIG, max_batch_size: 10, max_bytes: 5 })
    for (const entry of ['aaa', 'bbb', 'cc']) push(entry)
    await queue.close()
    assert.deepEqual(sent, [['bbb', 'cc']])
  })

  it('sends a batch again with a growing delay, in order', async () => {
    const { sent, slept, push } = queueOf({ ...CONFIG, max_batch_size: 1 }, [false, false, true])
    push('a')
    push('b')
    while (sent.length < 2) await new Promise(setImmediate)
    assert.deepEqual(sent, [['a'], ['b']])
    assert.deepEqual(slept, [10, 20])
  })

  it('gives a batch up after its time, and goes on with the next', async () => {
    const { sent, slept, push } = queueOf({ ...CONFIG, max_batch_size: 1 }, Array(8).fill(false))
    push('a')
    push('b')
    while (sent.length < 1) await new Promise(setImmediate)
    assert.deepEqual(sent, [['b']])
    assert.deepEqual(slept.slice(0, 4), [10, 20, 40, 50])
  })
})
