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

const CONFIG: Config = {
  ...{ shared: false, consumer: 'ask', scheme: 'ask', key_names: [], vary_headers: [], keep_headers: [] },
  ...{ default_ttl: 0, max_ttl: 60, stale_while_revalidate: 0, stale_if_error: 0, max_body_bytes: 1_000 },
  ...{ fill_timeout_ms: 1_000, follow_client_ms: 500, uncacheable_seconds: 10 },
  ...{ client_cache_control: true, invalidate: true, stream: true, on_error: 'open' },
}

describe('an answer whose body Kong has', () => {
  let cache: ResponseCache
  const clock = createTestClock()

  beforeEach(() => {
    const metrics = createMetrics()
    const host = {
      ...{ clock, metrics, log: createLogger('silent'), store: new MemoryStore({ clock, metrics }) },
      ...{ events: { publish: async () => {} }, node: 'n', random: () => 0 },
    }
    cache = new ResponseCache(host as never, { after: () => () => {}, every: () => () => {} }, 1_000_000)
  })
  afterEach(() => cache.close())

  /** @returns what became of it, and whether it is in memory */
  async function store(headers: Record<string, string>, body: string) {
    const kong = {
      request: { getHeaders: async () => ({}) },
      response: {
        getStatus: async () => 200,
        getHeaders: async () => ({ 'cache-control': 'max-age=60', ...headers }),
      },
      service: { response: { getRawBody: async () => Buffer.from(body) } },
    } as unknown as ResponseKong
    const mark: FillMark = {
      ...{ kind: 'fill', flight: 'f', primary: 'p', path: 'path', scheme: 'http', host: 'h', target: '/' },
      ...{ generation: '', sequence: 0, token: 't', startedAtMs: clock.now() },
    }
    return [await storeAnswer(kong, cache, readConfig(CONFIG, false), mark), cache.memory.counts.entries]
  }

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
