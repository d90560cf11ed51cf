import assert from 'node:assert/strict'
import { createMetrics } from '../../../foundation/metrics.ts'
import { MemoryStore } from '../../../plugin-server/stores/memory.ts'
import type { Config } from '../../../plugins/circuit-breaker/config.ts'
import { plugin } from '../../../plugins/circuit-breaker/plugin.ts'
import { BreakerRegistry } from '../../../plugins/circuit-breaker/registry.ts'
import type { HeaderMap } from '../../../protocol/pdk/entities.ts'
import type { AccessKong, Host, InstanceScope, LogKong } from '../../../sdk/sdk.ts'
import { partial } from '../../support/partial.ts'
import { createTestClock } from '../../support/test-clock.ts'
import { configOf, settled } from './simulated-node.ts'

class Exit extends Error {
  readonly status: number
  readonly body: string
  readonly headers: Record<string, string | number>
  constructor(status: number, body: string, headers: Record<string, string | number>) {
    super('exit')
    this.status = status
    this.body = body
    this.headers = headers
  }
}

interface Asked {
  readonly serviceHost?: string
  readonly headers?: HeaderMap
}

/** Notes every PDK call, and answers as Kong would for the service `echo`. */
function accessKong(
  calls: string[],
  { serviceHost = 'echo.internal', headers = {} }: Asked = {},
): AccessKong {
  const note =
    (name: string) =>
    (...args: unknown[]): void =>
      void calls.push([name, ...args].join(' '))
  return partial<AccessKong>({
    router: {
      getService: async () => {
        calls.push('router.getService')
        return { id: 'sid', name: 'echo', host: serviceHost }
      },
      getRoute: async () => {
        calls.push('router.getRoute')
        return { id: 'rid', name: 'r' }
      },
    },
    request: {
      getHeaders: async () => {
        calls.push('getHeaders')
        return headers
      },
    },
    log: { setSerializeValue: note('setSerializeValue') },
    service: {
      setTarget: note('setTarget'),
      request: { setScheme: note('setScheme'), setPath: note('setPath'), setHeader: note('setHeader') },
    },
    response: {
      exit(status: number, body: string, headers: Record<string, string | number>): never {
        calls.push('exit')
        throw new Exit(status, body, headers)
      },
    },
  })
}

function harness(values: Partial<Config>, scope: Partial<InstanceScope>) {
  const clock = createTestClock()
  const metrics = createMetrics()
  const events: unknown[] = []
  const store = new MemoryStore({ clock, metrics })
  const silent = { info() {}, debug() {}, warn() {}, error() {} }
  const host = partial<Host>({
    node: 'n1',
    clock,
    random: () => 0,
    log: silent,
    metrics,
    store,
    events: { publish: async (e: unknown) => void events.push(e) },
  })
  const memory = new BreakerRegistry(host)
  const config = configOf(values)
  const full: InstanceScope = { pluginId: 'p', ...scope }
  const instance = plugin.instance!(config, { host, memory, scope: full })
  const context = {
    config,
    scope: full,
    memory,
    instance,
    log: host.log,
    onRollback: () => {},
    elapsedMs: () => 0,
  }
  return {
    clock,
    memory,
    metrics,
    accessNow: () => plugin.phases.access!(accessKong([]), context),
    async access(asked?: Asked) {
      const calls: string[] = []
      let exit: Exit | undefined
      try {
        await plugin.phases.access!(accessKong(calls, asked), context)
      } catch (error) {
        if (!(error instanceof Exit)) throw error
        exit = error
      }
      return { calls, exit }
    },
    async log(status: number, more: Record<string, unknown> = {}) {
      const serialized = {
        service: { id: 'sid', name: 'echo' },
        route: { id: 'rid', name: 'r' },
        tries: [{}],
        upstream_status: String(status),
        response: { status },
        started_at: clock.now(),
        latencies: { proxy: 1 },
        ...more,
      }
      let serializations = 0
      const kong = partial<LogKong>({
        log: {
          serialize: async () => {
            serializations += 1
            return serialized
          },
        },
      })
      await plugin.phases.log!(kong, context)
      return serializations
    },
  }
}

describe('the phases of circuit-breaker', () => {
  it('make no PDK call in access while closed, where the entry is bound to the service', async () => {
    const h = harness({}, { serviceId: 'sid' })
    for (let i = 0; i < 10; i++) assert.deepEqual((await h.access()).calls, [])
  })

  it('make one where it is not', async () => {
    assert.deepEqual((await harness({}, {}).access()).calls, ['router.getService'])
    assert.deepEqual((await harness({}, { routeId: 'rid' }).access()).calls, ['router.getService'])
    const byRoute = harness({ scope: 'route' }, { serviceId: 'sid' })
    assert.deepEqual((await byRoute.access()).calls, ['router.getRoute'])
  })

  it('make one in log', async () => {
    assert.equal(await harness({}, {}).log(200), 1)
  })

  it('do not wait in access once the state is loaded', async () => {
    const h = harness({}, { serviceId: 'sid' })
    await h.access()
    assert.equal(h.accessNow(), undefined)
  })

  it('reject with 503, Retry-After and problem details, and mark the request', async () => {
    const h = harness({ minimum_calls: 2, open_ms: 2500, open_jitter: 0 }, { serviceId: 'sid' })
    await h.access()
    await h.log(500)
    await h.log(500)
    const { calls, exit } = await h.access()
    assert.equal(exit?.status, 503)
    assert.equal(exit?.headers['retry-after'], 3)
    assert.equal(exit?.headers['content-type'], 'application/problem+json')
    const problem = JSON.parse(exit!.body)
    assert.equal(problem.status, 503)
    assert.match(problem.detail, /circuit breaker of echo is open/)
    assert.deepEqual(calls, ['setSerializeValue sluice.breaker rejected', 'exit'])
  })

  it('mark probes and take their results', async () => {
    const h = harness(
      { minimum_calls: 1, open_ms: 1000, open_jitter: 0, half_open_permits: 1, recovery_ms: 0 },
      { serviceId: 'sid' },
    )
    await h.access()
    await h.log(500)
    await settled()
    h.clock.advance(1000)
    const { calls, exit } = await h.access()
    assert.equal(exit, undefined)
    assert.equal(calls[0], 'getHeaders')
    const mark = calls[1]!.replace('setSerializeValue sluice.breaker ', '')
    assert.match(mark, /^probe shared \d+ n1\//)
    assert.equal((await h.access()).exit?.status, 503)
    await h.log(200, { sluice: { breaker: mark } })
    await settled()
    assert.deepEqual((await h.access()).calls, [])
  })

  for (const headers of [
    { upgrade: 'WebSocket' },
    { accept: ['text/html', 'text/event-stream'] },
    { accept: 'text/event-stream;q=0.9' },
  ])
    it(`take ${JSON.stringify(headers)} for a stream, which has permits of its own`, async () => {
      const h = harness(
        { minimum_calls: 1, open_ms: 1000, open_jitter: 0, half_open_permits: 1 },
        { serviceId: 'sid' },
      )
      await h.access()
      await h.log(500)
      await settled()
      h.clock.advance(1000)
      for (const asked of [{ headers: {} }, { headers }]) {
        assert.equal((await h.access(asked)).exit, undefined)
        assert.equal((await h.access(asked)).exit?.status, 503)
      }
    })

  it('answer from a static fallback', async () => {
    const fallback = { static: { status: 200, content_type: 'text/plain', body: 'later' } }
    const h = harness({ minimum_calls: 1, fallback }, { serviceId: 'sid' })
    await h.access()
    await h.log(503)
    const { calls, exit } = await h.access()
    assert.deepEqual([exit?.status, exit?.body], [200, 'later'])
    assert.equal(calls[0], 'setSerializeValue sluice.breaker fallback')
  })

  it('send to another upstream as a fallback, which does not count', async () => {
    const fallback = { upstream: { scheme: 'https' as const, host: 'spare', port: 8443, path: '/v1' } }
    const h = harness({ minimum_calls: 1, fallback }, { serviceId: 'sid' })
    await h.access()
    await h.log(503)
    const { calls, exit } = await h.access()
    assert.equal(exit, undefined)
    assert.deepEqual(calls, [
      'router.getService',
      'setSerializeValue sluice.breaker fallback',
      'setScheme https',
      'setTarget spare 8443',
      'setPath /v1',
    ])
    await h.log(500, { sluice: { breaker: 'fallback' } })
    await h.memory.flush()
    const text = await h.metrics.text()
    assert.match(text, /sluice_breaker_calls_total\{service="echo",route="",outcome="failure"\} 1\n/)
    assert.match(text, /sluice_breaker_rejected_total\{service="echo",route="",outcome="fallback"\} 1\n/)
  })

  it('ask for the address of a fallback where the service is at an address, since Kong would not', async () => {
    const fallback = { upstream: { scheme: 'http' as const, host: 'localhost', port: 8080 } }
    const h = harness({ minimum_calls: 1, fallback }, { serviceId: 'sid' })
    await h.access()
    await h.log(503)
    const { calls } = await h.access({ serviceHost: '10.0.0.1' })
    assert.deepEqual(calls, [
      'router.getService',
      'setSerializeValue sluice.breaker fallback',
      'setScheme http',
      'setTarget 127.0.0.1 8080',
      'setHeader host localhost',
    ])
  })

  it('reject, and count so, where nobody knows the address of a fallback', async () => {
    const fallback = { upstream: { scheme: 'http' as const, host: 'nowhere.invalid', port: 8080 } }
    const h = harness({ minimum_calls: 1, fallback }, { serviceId: 'sid' })
    await h.access()
    await h.log(503)
    const { calls, exit } = await h.access({ serviceHost: '10.0.0.1' })
    assert.equal(exit?.status, 503)
    assert.ok(calls.includes('setSerializeValue sluice.breaker rejected'))
    await h.memory.flush()
    const counted = (await h.metrics.text()).match(/^sluice_breaker_rejected_total\{.*/gm)
    assert.deepEqual(counted, ['sluice_breaker_rejected_total{service="echo",route="",outcome="rejected"} 1'])
  })

  it('only count what they would reject in shadow', async () => {
    const h = harness({ minimum_calls: 1, shadow: true }, { serviceId: 'sid' })
    await h.access()
    await h.log(500)
    assert.deepEqual((await h.access()).calls, [])
    await h.memory.flush()
    assert.match(
      await h.metrics.text(),
      /sluice_breaker_rejected_total\{service="echo",route="",outcome="shadow"\} 1/,
    )
  })

  it('never count a 401, a 429 of a plugin or a client that left', async () => {
    const h = harness({ minimum_calls: 1 }, { serviceId: 'sid' })
    await h.access()
    for (const status of [401, 403, 429, 503]) await h.log(status, { tries: [], upstream_status: '' })
    await h.log(499, { upstream_status: '-', response: { status: 499 } })
    assert.deepEqual((await h.access()).calls, [])
  })
})

describe('the configuration of circuit-breaker', () => {
  const wrong: readonly (readonly [string, Partial<Config>, string])[] = [
    ['a fallback that points nowhere', { fallback: {} }, 'config.fallback'],
    [
      'two fallbacks',
      {
        fallback: {
          static: { status: 200, content_type: 'a/b', body: '' },
          upstream: { scheme: 'http', host: 'h', port: 1 },
        },
      },
      'config.fallback',
    ],
    ['a cap below the base', { open_ms: 2000, max_open_ms: 1000 }, 'config.max_open_ms'],
    [
      'nothing that could open it',
      { failure_statuses: [], connection_failures: 0 },
      'config.failure_statuses',
    ],
  ]
  for (const [what, values, field] of wrong)
    it(`is refused at the start with the field's name: ${what}`, () => {
      assert.throws(() => harness(values, { serviceId: 'sid' }), {
        code: 'SLUICE_PLUGIN_CONFIG',
        message: new RegExp(`^${field.replace('.', '\\.')}:`),
      })
    })

  it('can not be bound to a consumer', () => {
    assert.throws(() => harness({}, { consumerId: 'c' }), /config\.consumer/)
    assert.deepEqual(plugin.noScope, ['consumer'])
  })
})
