import assert from 'node:assert/strict'
import { createMetrics } from '../../../foundation/metrics.ts'
import { MemoryStore } from '../../../plugin-server/stores/memory.ts'
import { MemoryBytes } from '../../../plugin-server/stores/memory-bytes.ts'
import { counterScript } from '../../support/counter-script.ts'
import { createTestClock } from '../../support/test-clock.ts'

describe('the memory store', () => {
  it('answers in the same turn', () => {
    const { store } = createStore()
    assert.equal(store.run(counterScript, '{a}', [3, 1000]), 3)
    assert.equal(store.run(counterScript, '{a}', [2, 1000]), 5)
    assert.equal(store.run(counterScript, '{b}', [1, 1000]), 1)
  })

  it('forgets a key once its time is over, and not before', () => {
    const { store, clock } = createStore()
    store.run(counterScript, '{a}', [1, 100])
    clock.advance(99)
    assert.equal(store.run(counterScript, '{a}', [1, 100]), 2)
    // More than the sweep reaches meanwhile.
    for (let i = 0; i < 100; i++) store.run(counterScript, `{${i}}`, [1, 100])
    clock.advance(100)
    assert.equal(store.run(counterScript, '{a}', [1, 100]), 1)
    assert.equal(store.run(counterScript, '{99}', [1, 100]), 1)
  })

  it('gives expired keys back without a timer, by the calls that come', () => {
    const { store, clock } = createStore()
    for (let i = 0; i < 1000; i++) store.run(counterScript, `{${i}}`, [1, 100])
    assert.equal(store.size, 1000)
    clock.advance(200)
    for (let i = 0; i < 600; i++) store.run(counterScript, '{live}', [1, 1000])
    assert.equal(store.size, 1)
  })

  it('holds no more keys than it may, and gives up those that end soonest', async () => {
    const { store } = createStore(100)
    for (let i = 0; i < 50; i++) store.run(counterScript, `{long${i}}`, [1, 60_000])
    for (let i = 0; i < 500; i++) store.run(counterScript, `{short${i}}`, [1, 1000])
    assert.equal(store.size, 100)
    const long = await count(store.keys('{long'))
    assert.ok(long >= 45, `${long} of the 50 long-lived keys were kept`)
  })

  it('does not notice a step of the wall clock', () => {
    const { store, clock } = createStore()
    store.run(counterScript, '{a}', [1, 1000])
    clock.step(3_600_000)
    assert.equal(store.run(counterScript, '{a}', [1, 1000]), 2)
    clock.step(-7_200_000)
    assert.equal(store.run(counterScript, '{a}', [1, 1000]), 3)
  })

  it('forgets a key whose fields a script has all removed', () => {
    const { store } = createStore()
    store.run(counterScript, '{a}', [1, 1000])
    const clearing: typeof counterScript = {
      ...counterScript,
      apply(hash) {
        hash.clear()
        return { result: 0, expireInMs: 5 }
      },
    }
    store.run(clearing, '{a}', [])
    assert.equal(store.size, 0)
  })

  it('keeps bytes until they expire, and no more than fit', async () => {
    const clock = createTestClock()
    const bytes = new MemoryBytes(() => clock.monotonic(), 100)
    bytes.set('a', new Uint8Array(60), 1000)
    clock.advance(400)
    assert.equal(bytes.get('a')?.expiresInMs, 600)
    bytes.set('b', new Uint8Array(60), 1000)
    assert.equal(bytes.get('a'), undefined)
    bytes.set('c', new Uint8Array(101), 1000)
    assert.deepEqual([...bytes.keys()], ['b'])
    clock.advance(1000)
    assert.equal(bytes.get('b'), undefined)
  })

  it('brings messages to those who watch, until they stop', async () => {
    const { store } = createStore()
    const heard: string[] = []
    const stop = store.watch('c', message => heard.push(message))
    await store.publish('c', 'one')
    await store.publish('other', 'two')
    await Promise.resolve()
    stop()
    await store.publish('c', 'three')
    await Promise.resolve()
    assert.deepEqual(heard, ['one'])
  })
})

function createStore(maxKeys = 10_000) {
  const clock = createTestClock()
  return { clock, store: new MemoryStore({ clock, metrics: createMetrics(), maxKeys }) }
}

async function count(items: AsyncIterable<unknown>): Promise<number> {
  let number = 0
  for await (const _ of items) number++
  return number
}
