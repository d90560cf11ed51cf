import assert from 'node:assert/strict'
import { purge } from '../../../plugins/response-cache/management.ts'
import { answerTo, askFor, type Node, SharedNodes } from './shared-nodes.ts'

const ASKED = askFor('/a')

describe('what a process of response-cache holds, and the messages of the others', () => {
  let nodes: SharedNodes
  let node: Node
  beforeEach(() => {
    nodes = new SharedNodes()
    node = nodes.add()
  })
  afterEach(() => nodes.close())

  const settle = () => nodes.timers.advance(0)
  const put = (asked = ASKED, fields = {}) =>
    node.cache.put(asked.names.primary, answerTo(asked, node.cache.nowMs, fields))
  const use = (asked = ASKED) => node.cache.find(asked, asked.names.primary)?.use

  it('counts for 5 s while messages may be lost, from the loss on, or since it was put there', async () => {
    await nodes.advance(10_000)
    put()
    await nodes.advance(3_000)
    node.store.listen(false)
    nodes.clock.advance(2_000)
    const later = askFor('/later')
    put(later)
    nodes.clock.advance(3_000)
    assert.deepEqual([use(), use(later)], ['use', 'use'])
    nodes.clock.advance(1)
    // Of use only when the service fails.
    assert.deepEqual([use(), use(later)], ['ask-first', 'use'])
    nodes.clock.advance(2_000)
    assert.equal(use(later), 'ask-first')
    nodes.clock.advance(120_000)
    assert.equal(use(), undefined)
  })

  it('is forgotten when messages arrive again, with what was purged meanwhile', async () => {
    put()
    node.store.listen(false)
    node.store.isDeaf = true
    const { sequence } = await purge(nodes.memory, { kind: 'key', value: '/a' })
    await settle()
    assert.equal(node.cache.orders.latest, 0)
    node.store.isDeaf = false
    node.store.listen(true)
    assert.equal(use(), undefined)
    await settle()
    assert.equal(node.cache.orders.latest, sequence)
    // What was asked for before the purge, and comes only now.
    assert.equal(put(), false)
    assert.equal(put(ASKED, { sequence }), true)
  })

  it('is purged of what came back before the purges of the meantime were read', async () => {
    node.store.listen(false)
    node.store.isDeaf = true
    await purge(nodes.memory, { kind: 'key', value: '/a' })
    await settle()
    node.store.isDeaf = false
    node.store.listen(true)
    put()
    await settle()
    assert.equal(use(), undefined)
  })

  it('counts for 5 s after the last message where the connection breaks silently', async () => {
    await nodes.advance(10_000)
    put()
    node.store.isDeaf = true
    await nodes.advance(4_000)
    assert.equal(use(), 'use')
    await nodes.advance(2_000)
    assert.equal(use(), 'ask-first')
    node.store.isDeaf = false
    await nodes.advance(2_000)
    assert.equal(use(), undefined)
    put()
    assert.equal(use(), 'use')
  })

  it('stays while the beats of any process arrive', async () => {
    put()
    await nodes.advance(20_000)
    assert.equal(use(), 'use')
  })

  it('is not trusted by a message that came before the subscription was back', async () => {
    put()
    node.store.listen(false)
    node.store.deliver('{"type":"beat"}')
    nodes.clock.advance(5_001)
    assert.equal(use(), 'ask-first')
  })

  it('counts for 5 s where the process has never heard anything', () => {
    const other = new SharedNodes()
    const { cache } = other.add(false)
    cache.put('a', answerTo(ASKED, cache.nowMs))
    other.clock.advance(5_001)
    assert.equal(cache.find(ASKED, 'a')?.use, 'ask-first')
    return other.close()
  })

  it('stays after a message that nobody can read', () => {
    put()
    for (const text of ['', '{', 'null', '1', '{"type":"purge"}', '{"type":"new"}']) node.store.deliver(text)
    assert.equal(use(), 'use')
    node.store.deliver('{"type":"path","path":"other","generation":"g"}')
    assert.equal(use(), 'use')
    assert.deepEqual([...new Set(node.warnings)], ['unreadable cache message'])
  })

  it('is invalidated by another node, but for what belongs to the new generation', async () => {
    const other = nodes.add()
    put()
    await other.cache.invalidate(ASKED.names.path)
    await settle()
    assert.equal(use(), undefined)
    assert.equal(put(), false)
    const generation = node.cache.generationOf(ASKED.names.path)
    assert.equal(generation, other.cache.generationOf(ASKED.names.path))
    put(ASKED, { generation })
    assert.equal(use(), 'use')
  })

  it('is invalidated here, and counted as not told, while the store is away', async () => {
    put()
    node.store.isAway = true
    await node.cache.invalidate(ASKED.names.path)
    assert.equal(use(), undefined)
    assert.match(await node.metrics(), /^sluice_cache_invalidations_untold_total 1$/m)
  })

  it('is purged by an order that arrives, and so is what was asked for before', async () => {
    put()
    put(askFor('/b'))
    await purge(nodes.memory, { kind: 'key', value: '/a' })
    await settle()
    assert.equal(use(), undefined)
    assert.equal(use(askFor('/b')), 'use')
    assert.equal(put(), false)
    assert.match(await node.metrics(), /^sluice_cache_purged_total 1$/m)
  })
})
