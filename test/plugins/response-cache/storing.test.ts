import assert from 'node:assert/strict'
import { createLogger } from '../../../foundation/log.ts'
import { createMetrics } from '../../../foundation/metrics.ts'
import { MemoryStore } from '../../../plugin-server/stores/memory.ts'
import { ResponseCache } from '../../../plugins/response-cache/cache.ts'
import { type Config, readConfig } from '../../../plugins/response-cache/config.ts'
import type { FillMark } from '../../../plugins/response-cache/mark.ts'
import { storeAnswer } from '../../../plugins/response-cache/storing.ts'
import type { ResponseKong } from '../../../sdk/sdk.ts'
import { createTestClock } from '../../support/test-clock.ts'
import { answerTo, askFor, type Node, SharedNodes } from './shared-nodes.ts'

const CONFIG: Config = {
  ...{ shared: false, consumer: 'ask', scheme: 'ask', key_names: [], vary_headers: [], keep_headers: [] },
  ...{ default_ttl: 0, max_ttl: 60, stale_while_revalidate: 0, stale_if_error: 0, max_body_bytes: 1_000 },
  ...{ fill_timeout_ms: 1_000, follow_client_ms: 500, uncacheable_seconds: 10 },
  ...{ client_cache_control: true, invalidate: true, stream: true, on_error: 'open' },
}

describe('an answer whose body Kong has', () => {
  let cache: ResponseCache
  let clock: ReturnType<typeof createTestClock>

  beforeEach(() => {
    clock = createTestClock()
    const metrics = createMetrics()
    const host = {
      ...{ clock, metrics, log: createLogger('silent'), store: new MemoryStore({ clock, metrics }) },
      ...{ events: { publish: async () => {} }, node: 'n', random: () => 0 },
    }
    cache = new ResponseCache(host as never, { after: () => () => {}, every: () => () => {} }, 1_000_000)
  })
  afterEach(() => cache.close())

  interface Stored {
    readonly status?: number
    /** Of the request. */
    readonly asked?: Record<string, string>
    readonly mark?: Partial<FillMark>
    readonly bytes?: Uint8Array
  }

  /** @returns what became of it, and how many answers are in memory */
  async function store(headers: Record<string, string>, body: string, stored: Stored = {}) {
    const { status = 200, asked = {}, bytes = Buffer.from(body) } = stored
    const kong = {
      request: { getHeaders: async () => asked },
      response: {
        getStatus: async () => status,
        getHeaders: async () => ({ 'cache-control': 'max-age=60', ...headers }),
      },
      service: { response: { getRawBody: async () => bytes } },
    } as unknown as ResponseKong
    const mark: FillMark = {
      ...{ kind: 'fill', flight: 'f', primary: 'p', path: 'path', scheme: 'http', host: 'h', target: '/' },
      ...{ generation: '', sequence: 0, token: 't', startedAtMs: clock.now(), ...stored.mark },
    }
    return [await storeAnswer(kong, cache, readConfig(CONFIG, false), mark), cache.memory.counts.entries]
  }

  const held = (name = 'p') => cache.memory.get(name)?.entry
  const ageMs = () => cache.nowMs - (held()?.bornMs ?? Number.NaN)

  for (const [how, age, startedMs, expectedMs] of [
    ['its Age', '7', 0, 7_000],
    ['the time that it took', undefined, -3_000, 3_000],
    ['its Age and the time that it took', '7', -3_000, 10_000],
    ['no time where the clock of the process that asked is ahead', '7', 50_000, 7_000],
    ['two minutes at most where that clock is far behind', undefined, -86_400_000, 120_000],
  ] as const)
    it(`is as old as ${how}`, async () => {
      await store({ 'cache-control': 'max-age=3600', ...(age && { age }) }, 'body', {
        mark: { startedAtMs: clock.now() + startedMs },
      })
      assert.equal(ageMs(), expectedMs)
    })

  it('is as old as the 304 that made it fresh, and keeps what describes its own body', async () => {
    const own = { etag: '"1"', 'content-type': 'text/plain', 'content-encoding': 'gzip' }
    await store({ ...own, age: '50' }, 'body')
    const news = { etag: '"1"', age: '5', 'content-type': 'text/html', 'content-encoding': 'br' }
    const outcome = await store(news, '', { status: 304, mark: { revalidates: 'p' } })
    assert.deepEqual(outcome, ['revalidated', 1])
    assert.equal(ageMs(), 5_000)
    assert.equal(Buffer.from(held()?.body ?? []).toString(), 'body')
    assert.deepEqual(
      [held()?.headers['content-type'], held()?.headers['content-encoding']],
      ['text/plain', 'gzip'],
    )
  })

  it('is of its own bytes, whatever becomes of the buffer that it came in', async () => {
    const bytes = Buffer.from('body')
    await store({}, '', { bytes })
    bytes.fill('x')
    assert.equal(Buffer.from(held()?.body ?? []).toString(), 'body')
  })

  it('ends the wait for its own fetch, and for no later one of the same name', async () => {
    const later = cache.flights.begin('f', 'later')
    await store({}, 'body')
    await store({ 'cache-control': 'no-store' }, 'body')
    assert.equal(later.settled, undefined)
    const own = cache.flights.begin('f', 't')
    await store({}, 'body')
    assert.equal(own.settled?.kind, 'entry')
  })

  it('is told apart by all fields that any answer of its URL has named', async () => {
    const asked = { accept: 'a', 'accept-language': 'de' }
    await store({ vary: 'accept' }, 'one', { asked })
    await store({ vary: 'accept-language' }, 'two', { asked })
    assert.deepEqual(cache.vary.get('p'), ['accept', 'accept-language'])
    await store({}, 'three', { asked: { ...asked, accept: 'b' } })
    assert.equal(cache.memory.counts.entries, 3)
  })

  it('is not stored where its path was changed since it was asked for', async () => {
    await cache.invalidate('path')
    await store({}, 'body')
    assert.equal(held(), undefined)
    await store({}, 'body', { mark: { generation: cache.generationOf('path') } })
    assert.ok(held())
  })

  it('is not stored where it was purged since it was asked for', async () => {
    cache.orders.add({ kind: 'key', value: '/', sequence: 5 })
    await store({}, 'body')
    assert.equal(held(), undefined)
    await store({}, 'body', { mark: { sequence: 5 } })
    assert.ok(held())
  })

  it('is remembered as uncacheable for as long as an operator says', async () => {
    await store({ 'cache-control': 'no-store' }, 'body')
    assert.equal(cache.isUncacheable('f'), true)
    clock.advance(10_000)
    assert.equal(cache.isUncacheable('f'), false)
  })

  it('is stored where it is as long as it said, or said nothing', async () => {
    assert.deepEqual(await store({ 'content-length': '4' }, 'body'), ['stored', 1])
    assert.deepEqual(await store({}, 'body'), ['stored', 1])
  })

  for (const length of ['3', '5', '04x'])
    it(`is not stored where it has four bytes and said ${length}`, async () => {
      assert.deepEqual(await store({ 'content-length': length }, 'body'), ['incomplete', 0])
    })

  it('is not stored beyond the limit, whether it said so or not', async () => {
    assert.deepEqual(await store({ 'content-length': '1001' }, 'x'), ['too-large', 0])
    assert.deepEqual(await store({}, 'x'.repeat(1_001)), ['too-large', 0])
  })
})

describe('what becomes of an answer, for those who wait for it', () => {
  const ASKED = askFor('/a', { headers: { accept: 'a' } })
  const { names } = ASKED
  const MARK: FillMark = {
    ...{ kind: 'fill', flight: names.primary, primary: names.primary, path: names.path, scheme: 'http' },
    ...{ host: 'shop', target: '/a', generation: '', sequence: 0, token: 't', startedAtMs: 0 },
  }
  let nodes: SharedNodes
  let here: Node
  let elsewhere: Node
  let told: string[]
  beforeEach(() => {
    nodes = new SharedNodes()
    here = nodes.add()
    elsewhere = nodes.add()
    told = []
    elsewhere.cache.onDone(names.primary, outcome => told.push(outcome))
  })
  afterEach(() => nodes.close())

  interface Given {
    readonly status?: number
    readonly headers?: object
    readonly revalidates?: string
    readonly body?: () => Promise<Uint8Array>
  }

  /** @returns the result here, how the own fetch ended, and what the other node heard of it. */
  async function storeAt({ status = 200, headers = {}, revalidates, body }: Given) {
    const flight = here.cache.flights.begin(names.primary, 't')
    await here.cache.shared?.lock(MARK, 60_000)
    const kong = {
      request: { getHeaders: async () => ASKED.headers },
      response: {
        getStatus: async () => status,
        getHeaders: async () => ({ 'cache-control': 'max-age=60', ...headers }),
      },
      service: { response: { getRawBody: body ?? (async () => Buffer.from('body')) } },
    } as unknown as ResponseKong
    const mark = { ...MARK, startedAtMs: nodes.clock.now(), ...(revalidates && { revalidates }) }
    const result = await storeAnswer(kong, here.cache, readConfig(CONFIG, false), mark).catch(() => 'thrown')
    await nodes.timers.advance(0)
    return [result, flight.settled?.kind, ...told]
  }
  const isUnlocked = async () =>
    (await elsewhere.cache.shared?.lock({ ...MARK, token: 'theirs' }, 1_000)) === 0
  const recordOf = async (name = names.primary) =>
    (await elsewhere.cache.shared?.find(names.path, name))?.record?.kind
  const old = (fields = {}) => answerTo(ASKED, here.cache.nowMs, { headers: { etag: '"1"' }, ...fields })

  for (const [what, given, expected] of [
    ['stored', {}, ['stored', 'entry', 'stored']],
    ['an error of the service', { status: 503 }, ['error', 'failed', 'failed']],
    [
      'what can’t be stored',
      { headers: { 'cache-control': 'no-store' } },
      ['no-store', 'uncacheable', 'uncacheable'],
    ],
    [
      'one that can’t be read',
      { body: () => Promise.reject(new Error('x')) },
      ['thrown', 'failed', 'failed'],
    ],
    // It may be of use for the next, who asks for itself.
    ['a 304 for what one client has', { status: 304 }, ['not-modified', 'abandoned']],
    ['a 304 for what is gone', { status: 304, revalidates: 'gone' }, ['error', 'failed', 'failed']],
  ] as const)
    it(`is said here and on other nodes, and nobody holds its lock any more: ${what}`, async () => {
      assert.deepEqual(await storeAt(given), expected)
      assert.ok(await isUnlocked())
    })

  it('is known to other nodes as uncacheable for as long as here, and then no more', async () => {
    await storeAt({ headers: { 'cache-control': 'private' } })
    assert.equal(here.cache.isUncacheable(names.primary), true)
    assert.equal(await recordOf(), 'uncacheable')
    nodes.clock.advance(10_000)
    assert.equal(here.cache.isUncacheable(names.primary), false)
    assert.equal(await recordOf(), undefined)
  })

  it('lets nobody wait for the next of one that can’t be read', async () => {
    await storeAt({ body: () => Promise.reject(new Error('x')) })
    assert.equal(here.cache.isUncacheable(names.primary), true)
  })

  it('leads other nodes to its variant', async () => {
    await storeAt({ headers: { vary: 'accept' } })
    assert.equal(await recordOf(), 'vary')
    assert.equal(await recordOf(here.cache.nameOf(ASKED)), 'answer')
    assert.notEqual(here.cache.nameOf(ASKED), names.primary)
  })

  it('is fresh again by a 304 for what only the other nodes have', async () => {
    await elsewhere.cache.shared?.putAnswer(names.primary, old(), Buffer.from('theirs'), 0)
    const given = { status: 304, headers: { etag: '"1"' }, revalidates: names.primary }
    assert.deepEqual(await storeAt(given), ['revalidated', 'entry', 'stored'])
    const found = here.cache.find(ASKED, names.primary)
    assert.equal(Buffer.from(found?.entry.body ?? []).toString(), 'theirs')
  })

  it('can’t be stored any more by a 304 that says so', async () => {
    here.cache.put(names.primary, old())
    const given = { status: 304, headers: { 'cache-control': 'no-store' }, revalidates: names.primary }
    assert.deepEqual(await storeAt(given), ['no-store', 'uncacheable', 'uncacheable'])
  })
})
