import assert from 'node:assert/strict'
import { findBreaker, listBreakers } from '../../../plugins/circuit-breaker/management.ts'
import { createNode, type SimulatedNode } from './simulated-node.ts'

/** A request, and its report to the store. */
async function use(node: SimulatedNode): Promise<void> {
  await node.request('failure')
  await node.registry.flush()
}

describe('the breakers that an operator sees', () => {
  let old: SimulatedNode
  let fresh: SimulatedNode
  beforeEach(async () => {
    old = await createNode({ key: 'service:old' })
    await use(old)
    fresh = await createNode({ key: 'service:new', store: old.store, clock: old.clock })
  })
  const keys = async (stale = false) =>
    (await listBreakers(old.store, { stale })).map(({ key }) => key).sort()

  it('leave out a service that was made anew, once nobody uses it', async () => {
    old.clock.advance(60_000)
    await use(fresh)
    assert.deepEqual(await keys(), ['service:new'])
    assert.deepEqual(await keys(true), ['service:new', 'service:old'])
    assert.equal((await findBreaker(old.store, 'echo')).key, 'service:new')
    assert.equal((await findBreaker(old.store, 'old')).key, 'service:old', 'its id still names it')
  })

  it('are all there while both are in use, as in two workspaces, and a name that both bear is refused', async () => {
    old.clock.advance(59_999)
    await use(fresh)
    assert.deepEqual(await keys(), ['service:new', 'service:old'])
    await assert.rejects(findBreaker(old.store, 'echo'), /the name of service:\w+ and service:\w+; give one/)
  })

  it('are all there while neither is in use', async () => {
    await use(fresh)
    old.clock.advance(3_000_000)
    assert.deepEqual(await keys(), ['service:new', 'service:old'])
  })

  it('tell how long ago each was used', async () => {
    old.clock.advance(5000)
    const [breaker] = await listBreakers(old.store)
    assert.equal(breaker?.snapshot.idleMs, 5000)
  })
})
