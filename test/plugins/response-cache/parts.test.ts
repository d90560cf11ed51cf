import assert from 'node:assert/strict'
import { Redis } from 'ioredis'
import { systemClock } from '../../../foundation/clock.ts'
import { createLogger } from '../../../foundation/log.ts'
import { createMetrics } from '../../../foundation/metrics.ts'
import { createStore } from '../../../plugin-server/stores/create.ts'
import { MemoryStore } from '../../../plugin-server/stores/memory.ts'
import {
  decode,
  type Entry,
  encode,
  entryOf,
  keptMs,
  type Stored,
} from '../../../plugins/response-cache/entry.ts'
import { lockScript } from '../../../plugins/response-cache/lock.ts'
import { purge, readStats } from '../../../plugins/response-cache/management.ts'
import { MemoryLevel } from '../../../plugins/response-cache/memory.ts'
import { NODES_KEY, nodesScript } from '../../../plugins/response-cache/nodes.ts'
import {
  isMeant,
  MAX_ORDERS,
  ORDERS_KEY,
  type PurgeKind,
  PurgeOrders,
  purgesScript,
} from '../../../plugins/response-cache/purge.ts'
import { intentOf, isNotModified } from '../../../plugins/response-cache/request.ts'
import type { Store } from '../../../sdk/sdk.ts'
import { type Service, START_MS, useRedis } from '../../support/services.ts'
import { createTestClock } from '../../support/test-clock.ts'

const STORED: Stored = {
  primary: 'p',
  path: 'path',
  host: 'shop',
  target: '/products/1?x=1',
  tags: ['product-1'],
  status: 200,
  headers: { etag: '"1"', link: ['<a>', '<b>'] },
  lifetime: { freshMs: 10_000, whileRevalidateMs: 5000, ifErrorMs: 20_000 },
  generation: 'g',
  sequence: 5,
  token: 't',
}
const entry = (body: string, stored: Partial<Stored> = {}): Entry => ({
  ...STORED,
  ...stored,
  body: Buffer.from(body),
  bornMs: 0,
})

describe('a stored answer', () => {
  it('comes back as it was, whatever its bytes', () => {
    const body = Uint8Array.from({ length: 70_000 }, (_, index) => index % 256)
    const read = decode(encode({ kind: 'answer', stored: STORED, body }))
    assert.ok(read?.kind === 'answer')
    assert.deepEqual(read.stored, STORED)
    assert.deepEqual(Buffer.from(read.body), Buffer.from(body))
    for (const record of [{ kind: 'vary', names: ['accept'] }, { kind: 'uncacheable' }] as const)
      assert.deepEqual(decode(encode(record)), record)
  })

  it('is nothing where others have written, or another version', () => {
    const bytes = Buffer.from(encode({ kind: 'uncacheable' }))
    for (const wrong of [
      Buffer.alloc(0),
      Buffer.from('text'),
      Buffer.from([2, ...bytes.subarray(1)]),
      bytes.subarray(0, 8),
      Buffer.concat([bytes.subarray(0, 5), Buffer.from('{no json}'.padEnd(bytes.length - 5))]),
    ])
      assert.equal(decode(wrong), undefined)
  })

  it('has the same age on a node whose clock differs', () => {
    const ageMs = 3000
    const expiresInMs = keptMs(STORED, ageMs) - 4000
    const nowMs = 987_654
    assert.equal(nowMs - entryOf(STORED, Buffer.alloc(0), expiresInMs, nowMs).bornMs, 7000)
  })
})

describe('the memory of the cache', () => {
  it('holds no more bytes than it may, and gives up what was used longest ago', () => {
    let evicted = 0
    const memory = new MemoryLevel(4500, () => evicted++)
    for (const name of ['a', 'b', 'c']) memory.put(name, entry('x'.repeat(500)), 0)
    memory.get('a')
    memory.put('d', entry('x'.repeat(500)), 0)
    assert.deepEqual(
      ['a', 'b', 'c', 'd'].map(name => memory.get(name) !== undefined),
      [true, false, true, true],
    )
    assert.equal(evicted, 1)
    assert.ok(memory.counts.bytes <= 4500)
    memory.put('a', entry('x'.repeat(9000)), 0)
    assert.equal(memory.get('a'), undefined)
    // What can't be held displaces nothing.
    assert.ok(memory.get('c') && memory.get('d'))
    for (const name of ['c', 'd']) memory.delete(name)
    assert.deepEqual(memory.counts, { entries: 0, bytes: 0 })
  })

  it('holds nothing once it was cleared, and as much as before from then on', () => {
    const memory = new MemoryLevel(1_500)
    memory.put('a', entry('x'.repeat(500)), 0)
    memory.clear()
    assert.deepEqual([memory.counts, memory.get('a')], [{ entries: 0, bytes: 0 }, undefined])
    memory.put('b', entry('x'.repeat(500)), 0)
    assert.ok(memory.get('b'))
  })

  it('counts one that replaces another once, and what fields and tags take', () => {
    const memory = new MemoryLevel(1_000_000)
    const bytesOf = (fields: Partial<Stored>) => {
      memory.put('a', entry('x', fields), 0)
      return memory.counts.bytes
    }
    const first = bytesOf({})
    assert.equal(bytesOf({}), first)
    assert.ok(bytesOf({ headers: { ...STORED.headers, link: 'x'.repeat(1_000) } }) > first + 900)
    assert.ok(bytesOf({ tags: Array.from({ length: 128 }, () => 'tag') }) > first + 1_000)
  })

  it('forgets a path but for what belongs to its present generation', () => {
    const memory = new MemoryLevel(1_000_000)
    memory.put('old', entry('x', { generation: '1' }), 0)
    memory.put('new', entry('x', { generation: '2' }), 0)
    memory.put('other', entry('x', { path: 'other', generation: '1' }), 0)
    memory.deletePath('path', '2')
    assert.deepEqual(
      ['old', 'new', 'other'].map(name => memory.get(name) !== undefined),
      [false, true, true],
    )
  })
})

describe('an order to purge', () => {
  for (const [kind, value, host, meant] of [
    ['key', '/products/1?x=1', undefined, true],
    ['key', '/products/1', undefined, false],
    ['prefix', '/products', undefined, true],
    ['prefix', '/products/1?x=12', undefined, false],
    ['tag', 'product-1', undefined, true],
    ['tag', 'product', undefined, false],
    ['all', '', undefined, true],
    ['all', '', 'shop', true],
    ['all', '', 'other', false],
  ] as const)
    it(`${kind} ${value} of ${host ?? 'every host'} ${meant ? 'means' : 'spares'} the answer`, () => {
      const order = { kind: kind as PurgeKind, value, sequence: 6, ...(host && { host }) }
      assert.equal(isMeant(STORED, order), meant)
      assert.equal(isMeant(STORED, { ...order, sequence: 5 }), false)
    })

  it('means what is older than all orders that are kept', () => {
    const orders = new PurgeOrders()
    for (let sequence = 1; sequence <= MAX_ORDERS + 10; sequence++)
      orders.add({ kind: 'key', value: '/none', sequence })
    assert.equal(orders.latest, MAX_ORDERS + 10)
    assert.equal(orders.isPurged({ ...STORED, sequence: 9 }), true)
    assert.equal(orders.isPurged({ ...STORED, sequence: 10 }), false)
  })
})

describe('the orders to purge that a process knows', () => {
  it('displace no other where one comes again', () => {
    const orders = new PurgeOrders()
    for (let sequence = 1; sequence <= MAX_ORDERS; sequence++)
      orders.add({ kind: 'key', value: '/none', sequence })
    orders.add({ kind: 'key', value: '/none', sequence: MAX_ORDERS })
    assert.equal(orders.isPurged({ ...STORED, sequence: 0 }), false)
  })

  it('leave out what the store has forgotten: all of before is invalid, and what comes now is not', () => {
    const orders = new PurgeOrders()
    orders.replace([], 10)
    assert.equal(orders.latest, 10)
    assert.deepEqual(
      [9, 10].map(sequence => orders.isPurged({ ...STORED, sequence })),
      [true, false],
    )
  })
})

describe('the scripts of the cache', () => {
  let redis: Service
  let stores: Store[] = []

  before(async function () {
    this.timeout(START_MS)
    redis = await useRedis()
    const parts = { clock: createTestClock(), metrics: createMetrics() }
    const inRedis = createStore(
      { redisUrl: [redis.url], redisDeadlineMs: 10_000 },
      { ...parts, clock: systemClock, log: createLogger('silent') },
    )
    await inRedis.ready(60_000)
    stores = [new MemoryStore(parts), inRedis]
  })
  after(async function () {
    this.timeout(30_000)
    for (const store of stores) await store.close()
    await redis?.close()
  })

  it('let one hold the lock until it gives it back, in Redis as in memory', async () => {
    for (const store of stores) {
      const lock = async (token: string, holdMs: number) =>
        await store.run(lockScript, '{lock}:a', { token, holdMs })
      assert.equal(await lock('a', 60_000), 0)
      const leftMs = await lock('b', 60_000)
      assert.ok(leftMs > 0 && leftMs <= 60_000)
      assert.ok((await lock('b', 0)) > 0)
      assert.equal(await lock('a', 0), 0)
      assert.equal(await lock('b', 60_000), 0)
    }
  })

  it('number orders so that they grow, and keep the newest', async () => {
    for (const store of stores) {
      let last = 0
      for (let i = 0; i < MAX_ORDERS + 3; i++) {
        const { sequence } = await purge(store, { kind: 'key', value: `/${i}` })
        assert.ok(sequence > last)
        last = sequence
      }
      const { orders, floor } = await store.run(purgesScript, ORDERS_KEY, [])
      assert.equal(orders.length, MAX_ORDERS)
      assert.equal(orders.at(-1)?.sequence, last)
      assert.ok(floor > 0 && floor < (orders[0]?.sequence ?? 0))
      assert.equal(orders[0]?.value, '/3')
    }
  })

  it('tell the counts of the processes that live', async () => {
    for (const store of stores) {
      const counts = { node: 'n', entries: 1, bytes: 2, requests: { miss: 3 } }
      await store.run(nodesScript, NODES_KEY, { id: 'one', counts })
      await store.run(nodesScript, NODES_KEY, { id: 'two', counts: { ...counts, entries: 4 } })
      await store.writeBytes('{sluice:cache:x}:e:y', Buffer.from('z'), 60_000)
      const stats = await readStats(store)
      assert.deepEqual(
        stats.nodes.map(({ entries }) => entries),
        [1, 4],
      )
      assert.equal(stats.stored, 1)
    }
  })

  it('forget a process that has been silent for 15 s, and take nobody who looks for one', async () => {
    const counts = { node: 'n', entries: 9, bytes: 2, requests: {} }
    const hash = new Map()
    const at = (ms: number, id = '') => nodesScript.apply(hash, { id, counts }, ms * 1_000).result.length
    assert.equal(at(1_000_000, 'one'), 1)
    assert.equal(at(1_015_000), 1)
    assert.equal(hash.size, 1)
    assert.equal(at(1_015_001), 0)
    assert.equal(hash.size, 0)
    const client = new Redis(redis.url)
    try {
      await client.hset(NODES_KEY, 'silent', `1000 ${JSON.stringify(counts)}`)
      const [, inRedis] = stores
      const nodes = await inRedis?.run(nodesScript, NODES_KEY, { id: '' })
      assert.ok(nodes?.every(({ entries }) => entries !== 9))
      assert.deepEqual(await client.hmget(NODES_KEY, 'silent', ''), [null, null])
      await inRedis?.run(nodesScript, NODES_KEY, { id: 'one', counts })
      const leftMs = await client.pttl(NODES_KEY)
      // Gone (-2) it may be on a slow machine, but not there for ever (-1).
      assert.ok(leftMs !== -1 && leftMs <= 15_000, String(leftMs))
    } finally {
      client.disconnect()
    }
  })

  it('refuse an order that means nothing', async () => {
    const [store] = stores
    assert.ok(store)
    for (const order of [
      { kind: 'key', value: 'products' },
      { kind: 'prefix', value: '' },
      { kind: 'tag', value: 'a b' },
      { kind: 'all', value: '', host: 'a/b' },
      { kind: 'all', value: '/products' },
    ] as const)
      await assert.rejects(purge(store, order), { code: 'SLUICE_CLI_USAGE' })
  })
})

describe('a request', () => {
  for (const [method, headers, intent] of [
    ['GET', {}, 'lookup'],
    ['HEAD', {}, 'lookup'],
    ['GET', { range: 'bytes=0-' }, 'pass'],
    ['GET', { upgrade: 'websocket' }, 'pass'],
    ['GET', { accept: 'text/html, text/event-stream' }, 'pass'],
    ['GET', { 'content-length': '5' }, 'pass'],
    ['GET', { 'content-length': '0' }, 'lookup'],
    ['GET', { 'transfer-encoding': 'chunked' }, 'pass'],
    ['GET', { many: Array.from({ length: 100 }, String) }, 'pass'],
    // Two cookies in Latin-1 may look the same here.
    ['GET', { cookie: 'user=j\ufffdrgen' }, 'pass'],
    ['GET', { cookie: ['a=b', 'user=j\ufffdrgen'] }, 'pass'],
    ['GET', { cookie: 'user=jürgen' }, 'lookup'],
    ['OPTIONS', {}, 'pass'],
    ['POST', {}, 'invalidate'],
    ['POST', { accept: 'text/event-stream' }, 'invalidate'],
    ['PURGE', {}, 'invalidate'],
  ] as const)
    it(`${method} with ${JSON.stringify(headers).slice(0, 60)} is for ${intent}`, () => {
      assert.equal(intentOf(method, headers), intent)
    })

  for (const [request, stored, known] of [
    [{ 'if-none-match': '"a"' }, { etag: '"a"' }, true],
    [{ 'if-none-match': 'W/"a", "b"' }, { etag: '"a"' }, true],
    [{ 'if-none-match': '"b"' }, { etag: 'W/"b"' }, true],
    [{ 'if-none-match': '"c"' }, { etag: '"a"' }, false],
    [{ 'if-none-match': '*' }, {}, true],
    [
      { 'if-none-match': '"c"', 'if-modified-since': 'Sun, 01 Mar 2026 12:00:00 GMT' },
      { 'last-modified': 'Sun, 01 Mar 2026 12:00:00 GMT' },
      false,
    ],
    [
      { 'if-modified-since': 'Sun, 01 Mar 2026 12:00:00 GMT' },
      { 'last-modified': 'Sun, 01 Mar 2026 12:00:00 GMT' },
      true,
    ],
    [{ 'if-modified-since': 'yesterday' }, { 'last-modified': 'Sun, 01 Mar 2026 12:00:00 GMT' }, false],
    [{}, { etag: '"a"' }, false],
  ] as const)
    it(`with ${JSON.stringify(request)} ${known ? 'has' : 'has not'} ${JSON.stringify(stored)}`, () => {
      assert.equal(isNotModified(request, stored), known)
    })
})
