import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { connect } from 'amqplib'
import { systemTimers, type Timers } from '../../foundation/timers.ts'
import { DEAD_QUEUE, UNDO_QUEUE, UndoQueue } from '../../management/changes/undo-queue.ts'
import { recordLogs } from '../support/logs.ts'
import { rabbitControl } from '../support/rabbit-control.ts'
import { START_MS, sharedRabbit } from '../support/services.ts'
import { until } from '../support/until.ts'

/** As the system's, but what is done from time to time is done often. */
const quickTimers: Timers = { ...systemTimers, every: (_ms, work) => systemTimers.every(50, work) }

describe('the queue of changes that wait to be undone', function () {
  this.timeout(600_000)
  const vhost = `undo-${randomUUID()}`
  let control: (...args: string[]) => Promise<string>
  let queue: UndoQueue | undefined
  let url: string
  before(async function () {
    this.timeout(3 * START_MS)
    const rabbit = await sharedRabbit()
    control = rabbitControl(rabbit)
    const own = new URL(rabbit.url)
    own.pathname = `/${vhost}`
    url = own.href
    await control('add_vhost', vhost)
    await control('set_permissions', '-p', vhost, own.username, '.*', '.*', '.*')
  })
  after(async function () {
    this.timeout(3 * START_MS)
    await queue?.close()
    await control?.('delete_vhost', vhost)
  })

  it('has one consumer however often it is told to consume, and none once it is told otherwise', async () => {
    const started = new UndoQueue({
      ...{ url, log: recordLogs().logger, timers: quickTimers, fault: () => {} },
      onHint: async () => {},
    })
    const connection = await connect(url)
    try {
      const channel = await connection.createChannel()
      const consumers = async () => (await channel.checkQueue(UNDO_QUEUE)).consumerCount
      await until('the broker is there', () => started.isConnected)
      await Promise.all([started.consume(true), started.consume(true)])
      assert.equal(await consumers(), 1)
      await Promise.all([started.consume(false), started.consume(true), started.consume(false)])
      assert.equal(await consumers(), 0)
      await Promise.all([started.consume(true), started.consume(false)])
      assert.equal(await consumers(), 0)
    } finally {
      await connection.close()
      await started.close()
    }
  })

  it('puts away a message that ends whoever takes it, says so, and lets others pass', async () => {
    const [bad, good] = [randomUUID(), randomUUID()]
    const taken: string[] = []
    const started = new UndoQueue({
      ...{ url, log: recordLogs().logger, timers: quickTimers, fault: () => {} },
      async onHint(id) {
        taken.push(id)
        if (id === bad) throw new Error('the manager ended')
      },
    })
    queue = started
    await until('the broker is there', () => started.isConnected)
    await started.consume(true)
    assert.equal(await started.publish(bad), true)
    assert.equal(await started.publish(good), true)
    await until('the other one was taken', () => taken.includes(good))
    await until('the operator is told', () =>
      /^1 message in sluice\.manager\.undo\.dead: /.test(started.problem ?? ''),
    )
    // Once, and as often as it may be given back.
    assert.equal(taken.filter(id => id === bad).length, 21)
    await control('purge_queue', '-p', vhost, DEAD_QUEUE)
    await until('the operator has dealt with it', () => started.problem === undefined)
    assert.equal(await started.publish(good), true)
    await until('messages still come', () => taken.filter(id => id === good).length === 2)
  })
})
