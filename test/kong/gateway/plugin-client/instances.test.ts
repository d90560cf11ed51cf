import assert from 'node:assert/strict'
import {
  ClaimError,
  type InstanceRequest,
  WorkerInstances,
} from '../../../../kong/gateway/plugin-client/instances.ts'

/** Sleeps that end at once, and are counted. */
function bench() {
  const slept: number[] = []
  const closed: number[] = []
  let started = 0
  const instances = new WorkerInstances(async ms => {
    slept.push(ms)
    await new Promise(setImmediate)
  })
  const request = (sequence: number, start = async () => ++started): InstanceRequest => ({
    plugin: 'hello',
    key: 'entity',
    sequence,
    start,
    close: async id => {
      closed.push(id)
    },
  })
  return { instances, request, slept, closed, started: () => started }
}

describe('the instances of a worker', () => {
  it('are started once for a configuration', async () => {
    const { instances, request } = bench()
    assert.equal(instances.find('entity', 1), undefined)
    assert.equal(await instances.start(request(1)), 1)
    assert.equal(instances.find('entity', 1), 1)
    assert.equal(await instances.start(request(1)), 1)
  })

  it('are started anew for every other sequence, and then the one before is closed', async () => {
    const { instances, request, closed } = bench()
    await instances.start(request(1))
    assert.equal(instances.find('entity', 2), undefined)
    assert.equal(await instances.start(request(2)), 2)
    assert.deepEqual(closed, [1])
  })

  it('make others wait in steps of 100 ms while one is being started', async () => {
    const { instances, request, slept, started } = bench()
    let finish = (_: number) => {}
    const first = instances.start(request(1, () => new Promise(resolve => (finish = resolve))))
    const second = instances.start(request(1))
    await new Promise(setImmediate)
    finish(7)
    assert.deepEqual(await Promise.all([first, second]), [7, 7])
    assert.equal(started(), 0)
    assert.ok(slept.length > 0 && slept.every(ms => ms === 100))
  })

  it('give a claim up after 100 steps', async () => {
    const { instances, request, slept } = bench()
    void instances.start(request(1, () => new Promise(() => {})))
    await assert.rejects(instances.start(request(1)), ClaimError)
    assert.equal(slept.length, 101)
    assert.equal(await instances.start(request(1)), 1, 'the claim is free again')
  })

  it('leave the claim free when a start fails', async () => {
    const { instances, request } = bench()
    await assert.rejects(
      instances.start(request(1, () => Promise.reject(new Error('connection refused')))),
      /connection refused/,
    )
    assert.equal(await instances.start(request(1)), 1)
  })

  it('are forgotten by a reset of their plugin, and closed by nobody', async () => {
    const { instances, request, closed } = bench()
    await instances.start(request(1))
    instances.reset('another')
    assert.equal(instances.find('entity', 1), 1)
    instances.reset('hello')
    assert.equal(await instances.start(request(1)), 2)
    assert.deepEqual(closed, [])
  })
})
