import assert from 'node:assert/strict'
import { Directory } from '../../../plugin-server/workers/directory.ts'
import type { ToWorker } from '../../../plugin-server/workers/messages.ts'
import { createTestClock } from '../../support/test-clock.ts'

describe('the directory of the workers’ instances', () => {
  const setUp = () => {
    const sent: [worker: number, message: ToWorker][] = []
    const clock = createTestClock()
    const directory = new Directory(clock, 100, (worker, message) => sent.push([worker, message]))
    directory.joined(0)
    directory.joined(1)
    const ask = (worker: number, call: number, key = 'k') =>
      directory.start(worker, { kind: 'start', call, name: 'qos', config: '{}', key, entity: 'e' })
    const kinds = () => sent.map(([worker, message]) => `${worker} ${message.kind}`)
    return { sent, directory, ask, kinds, clock }
  }

  it('gives an id only after every worker has the instance', () => {
    const { sent, directory, ask, kinds } = setUp()
    ask(0, 7)
    assert.deepEqual(kinds(), ['0 adopt', '1 adopt'])
    directory.adopted(0, 101, undefined)
    assert.equal(sent.length, 2)
    directory.adopted(1, 101, undefined)
    assert.deepEqual(sent[2], [0, { kind: 'started', call: 7, id: 101 }])
  })

  it('answers at once for an instance that all have, and together those who ask meanwhile', () => {
    const { sent, directory, ask } = setUp()
    ask(0, 1)
    ask(1, 2)
    directory.adopted(0, 101, undefined)
    directory.adopted(1, 101, undefined)
    ask(1, 3)
    assert.deepEqual(sent.slice(2), [
      [0, { kind: 'started', call: 1, id: 101 }],
      [1, { kind: 'started', call: 2, id: 101 }],
      [1, { kind: 'started', call: 3, id: 101 }],
    ])
  })

  it('refuses what a worker refuses, with its reason, and takes it from the others', () => {
    const { sent, directory, ask } = setUp()
    ask(0, 1)
    directory.adopted(0, 101, undefined)
    directory.adopted(1, 101, 'config.tiers is wrong')
    assert.deepEqual(sent.slice(2), [
      [0, { kind: 'forget', ids: [101] }],
      [1, { kind: 'forget', ids: [101] }],
      [0, { kind: 'refused', call: 1, reason: 'config.tiers is wrong' }],
    ])
    assert.deepEqual(directory.known(), [])
    ask(0, 2)
    directory.adopted(0, 102, 'config.tiers is wrong')
    directory.adopted(1, 102, undefined)
    assert.deepEqual(sent.at(-1), [0, { kind: 'refused', call: 2, reason: 'config.tiers is wrong' }])
  })

  it('does not wait for a worker that died, and tells its successor all instances', () => {
    const { sent, directory, ask } = setUp()
    ask(0, 1)
    directory.adopted(0, 101, undefined)
    assert.equal(directory.known().length, 1)
    directory.left(1)
    assert.deepEqual(sent.at(-1), [0, { kind: 'started', call: 1, id: 101 }])
    assert.deepEqual(directory.known(), [{ id: 101, name: 'qos', config: '{}' }])
  })

  it('does not answer the successor of a worker that died for what that one had asked', () => {
    const { sent, directory, ask } = setUp()
    ask(0, 0)
    directory.left(0)
    directory.joined(0)
    directory.adopted(1, 101, undefined)
    assert.deepEqual(sent.slice(2), [])
    ask(0, 0)
    assert.deepEqual(sent.at(-1), [0, { kind: 'started', call: 0, id: 101 }])
  })

  it('keeps what any worker has used', () => {
    const { directory, ask, kinds, clock } = setUp()
    ask(0, 1)
    for (const worker of [0, 1]) directory.adopted(worker, 101, undefined)
    directory.close(101)
    clock.advance(70_000)
    directory.used([[101, clock.now()]])
    directory.used([[101, 0]])
    directory.collect()
    assert.equal(directory.known().length, 1)
    clock.advance(70_000)
    directory.collect()
    assert.deepEqual(directory.known(), [])
    assert.deepEqual(kinds().slice(-2), ['0 forget', '1 forget'])
  })
})
