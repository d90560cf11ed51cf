/**
 * Sluice's plugins end to end in a gateway: the local one, or any Kong that the environment names (see any-gateway.ts).
 */
import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import jsonwebtoken from 'jsonwebtoken'
import { readKeyFolder } from '../../plugins/upstream-token/key-folder.ts'
import { rotate } from '../../plugins/upstream-token/rotation.ts'
import { type AnyGateway, useGateway } from '../support/any-gateway.ts'
import { makeFolder, type TestFolder } from '../support/folder.ts'
import { type OtlpReceiver, startOtlpReceiver } from '../support/otlp-receiver.ts'
import { runSluice } from '../support/run-sluice.ts'
import { type ServerProcess, startServerProcess } from '../support/server-process.ts'
import { until } from '../support/until.ts'

const KEYS = { gold: 'contract-key-of-gold', bronze: 'contract-key-of-bronze' }
const WRONG_KEY = 'contract-key-of-nobody'
const PREFIX = 'contract'

const qos = {
  default_tier: 'bronze',
  sync: 'strict',
  tiers: {
    gold: { limits: [{ name: 'hour', requests: 1000, per: 3600 }] },
    bronze: { limits: [{ name: 'hour', requests: 3, per: 3600 }] },
  },
}
const breaker = {
  minimum_calls: 4,
  window_ms: 60_000,
  failure_rate: 50,
  open_ms: 1_000,
  half_open_permits: 1,
  recovery_ms: 0,
}

/** Answers what it is asked to, and counts. */
interface Upstream {
  readonly port: number
  status: number
  asked: number
  /** Of the last request. */
  headers: IncomingHttpHeaders
  /** Ends a stream of events. */
  release: () => void
  close(): void
}

async function startUpstream(host: string): Promise<Upstream> {
  const state = { status: 200, asked: 0, headers: {} as IncomingHttpHeaders, release: () => {} }
  const server: Server = createServer((request, response) => {
    state.asked++
    if (request.headers.accept === 'text/event-stream') {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: first\n\n')
      state.release = () => response.end('data: last\n\n')
      return
    }
    state.headers = request.headers
    response.writeHead(state.status, { 'content-type': 'application/json', etag: '"contract"' })
    response.end(JSON.stringify({ consumer: request.headers['x-consumer-username'] ?? null }))
  })
  await new Promise<void>(resolve => server.listen(0, host === '127.0.0.1' ? host : '0.0.0.0', resolve))
  return Object.assign(state, {
    port: (server.address() as AddressInfo).port,
    close() {
      server.closeAllConnections()
      server.close()
    },
  })
}

describe("Sluice's plugins in a gateway", function () {
  this.timeout(60_000)
  let gateway: AnyGateway
  let server: ServerProcess
  let upstream: Upstream

  async function admin(method: string, resource: string, body?: unknown): Promise<Record<string, unknown>> {
    const response = await fetch(`${gateway.adminUrl}${resource}`, {
      method,
      ...(body !== undefined && {
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      }),
    })
    const text = await response.text()
    assert.ok(response.ok || response.status === 404, `${method} ${resource}: ${response.status} ${text}`)
    return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
  }

  const keyAuth = { name: 'key-auth' }
  const PLUGINS: Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>> = {
    qos: [keyAuth, { name: 'qos', config: qos }],
    breaker: [{ name: 'circuit-breaker', config: breaker }],
    audit: [keyAuth, { name: 'key-auth-audit' }],
    // `fetch` adds Cache-Control to conditional requests.
    cache: [keyAuth, { name: 'response-cache', config: { default_ttl: 3600, client_cache_control: false } }],
    stale: [{ name: 'response-cache', config: { default_ttl: 3600, stale_if_error: 3600 } }],
    sluice: [
      keyAuth,
      { name: 'sluice', config: { qos, circuit_breaker: breaker, key_auth_audit: { sample: 1 } } },
    ],
    edge: [keyAuth, { name: 'sluice', config: { upstream_token: {}, request_log: {} } }],
    whole: [
      {
        name: 'aggregate',
        config: {
          parts: [
            { name: 'one', path: `/${PREFIX}/edge` },
            { name: 'two', path: `/${PREFIX}/edge?of={one.consumer}`, pick: 'consumer' },
          ],
        },
      },
    ],
  }
  const SERVICES = Object.keys(PLUGINS)
  let keys: TestFolder
  let collector: OtlpReceiver
  const settings = () => ({
    SLUICE_TOKEN_KEYS_DIR: keys.path,
    SLUICE_OTLP_URL: collector.url,
    SLUICE_REQUEST_LOG_FILE: path.join(keys.path, 'requests.jsonl'),
    SLUICE_PROXY_URL: gateway.proxyUrl,
    SLUICE_LOOPBACK_SECRET: 'a secret of the contract suite, 32 characters',
  })
  const serviceOf = (name: string) => ({
    name: `${PREFIX}-${name}`,
    url: `http://${gateway.thisHost}:${upstream.port}`,
    retries: 0,
  })
  const routeOf = (name: string) => ({
    name: `${PREFIX}-${name}`,
    paths: [`/${PREFIX}/${name}`],
    // Else nginx itself would hold small pieces of a stream back.
    response_buffering: false,
  })
  const consumerOf = (tier: string) => ({ username: `${PREFIX}-${tier}`, tags: [`tier:${tier}`] })

  /** Whatever an earlier run left behind. */
  async function clear() {
    if (gateway.databaseLess) return
    for (const name of SERVICES) {
      const service = `${PREFIX}-${name}`
      for (const nested of ['plugins', 'routes']) {
        const { data = [] } = await admin('GET', `/services/${service}/${nested}`)
        for (const { id } of data as { id: string }[]) await admin('DELETE', `/${nested}/${id}`)
      }
      await admin('DELETE', `/services/${service}`)
    }
    for (const tier of Object.keys(KEYS)) await admin('DELETE', `/consumers/${PREFIX}-${tier}`)
  }

  async function declare() {
    await admin('POST', '/config', {
      _format_version: '3.0',
      services: SERVICES.map(name => ({
        ...serviceOf(name),
        routes: [routeOf(name)],
        plugins: PLUGINS[name],
      })),
      consumers: Object.entries(KEYS).map(([tier, key]) => ({
        ...consumerOf(tier),
        keyauth_credentials: [{ key }],
      })),
    })
  }

  async function create() {
    for (const [tier, key] of Object.entries(KEYS)) {
      await admin('POST', '/consumers', consumerOf(tier))
      await admin('POST', `/consumers/${PREFIX}-${tier}/key-auth`, { key })
    }
    for (const name of SERVICES) {
      const service = serviceOf(name)
      await admin('POST', '/services', service)
      await admin('POST', `/services/${service.name}/routes`, routeOf(name))
      for (const plugin of PLUGINS[name]!) await admin('POST', `/services/${service.name}/plugins`, plugin)
    }
  }

  before(async () => {
    gateway = await useGateway()
    keys = makeFolder()
    collector = await startOtlpReceiver()
    rotate(keys.path, { now: Math.floor(Date.now() / 1_000), inSeconds: 600, revoke: false })
    server = await startServerProcess(settings(), { socket: gateway.socket })
    upstream = await startUpstream(gateway.thisHost)
    await clear()
    await (gateway.databaseLess ? declare() : create())
    await gateway.settle()
  })

  after(async () => {
    await clear()
    await gateway.close()
    await server.close()
    await collector.close()
    upstream.close()
    keys.remove()
  })

  beforeEach(() => {
    upstream.status = 200
    upstream.asked = 0
  })

  const get = (name: string, key?: string) =>
    fetch(`${gateway.proxyUrl}/${PREFIX}/${name}`, { headers: key === undefined ? {} : { apikey: key } })

  const statuses = async (count: number, name: string, key?: string) => {
    const found: number[] = []
    for (let i = 0; i < count; i++) {
      const response = await get(name, key)
      await response.arrayBuffer()
      found.push(response.status)
    }
    return found
  }

  it('qos admits a tier its limit, rejects what is above, and leaves other tiers alone', async () => {
    const first = await get('qos', KEYS.bronze)
    assert.deepEqual(await first.json(), { consumer: `${PREFIX}-bronze` })
    assert.match(first.headers.get('ratelimit')!, /^"hour";r=2;t=\d+$/)
    assert.deepEqual(await statuses(2, 'qos', KEYS.bronze), [200, 200])
    const rejected = await get('qos', KEYS.bronze)
    assert.equal(rejected.status, 429)
    assert.equal(rejected.headers.get('content-type'), 'application/problem+json')
    assert.match(rejected.headers.get('retry-after')!, /^\d+$/)
    assert.equal(((await rejected.json()) as { status: number }).status, 429)
    assert.equal(upstream.asked, 3, 'a rejected request does not reach the upstream')
    assert.deepEqual(await statuses(10, 'qos', KEYS.gold), Array(10).fill(200))
  })

  it('qos asks nobody whom key-auth refused', async () => {
    assert.deepEqual(await statuses(5, 'qos', WRONG_KEY), Array(5).fill(401))
    assert.equal(upstream.asked, 0)
  })

  it('circuit-breaker opens when the upstream fails, and closes when it has recovered', async () => {
    upstream.status = 500
    const before = await statuses(4, 'breaker')
    assert.deepEqual(before, [500, 500, 500, 500])
    // The breaker learns of a call after its response.
    await until(async () => (await statuses(1, 'breaker'))[0] === 503)
    const asked = upstream.asked
    const rejected = await get('breaker')
    assert.equal(rejected.status, 503)
    assert.match(rejected.headers.get('retry-after')!, /^\d+$/)
    await rejected.arrayBuffer()
    assert.equal(upstream.asked, asked, 'an open breaker asks the upstream nothing')
    upstream.status = 200
    await until(async () => (await statuses(1, 'breaker'))[0] === 200)
    await until(async () => !(await statuses(5, 'breaker')).includes(503))
  })

  it('key-auth-audit records who came and who was refused, and no key', async () => {
    assert.deepEqual(await statuses(1, 'audit', KEYS.gold), [200])
    assert.deepEqual(await statuses(1, 'audit', WRONG_KEY), [401])
    assert.deepEqual(await statuses(1, 'audit'), [401])
    const of = (events: readonly AuditEvent[]) =>
      events.filter(({ data }) => data.route_name === `${PREFIX}-audit`)
    let events: readonly AuditEvent[] = []
    await until(async () => {
      events = of(await readEvents())
      return events.length >= 3
    })
    assert.deepEqual(events.map(({ data }) => data.reason ?? data.outcome).sort(), [
      'granted',
      'invalid',
      'missing',
    ])
    const granted = events.find(({ data }) => data.outcome === 'granted')
    assert.equal(granted?.data.consumer_username, `${PREFIX}-gold`)
    for (const file of readdirSync(server.spool, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue
      const bytes = readFileSync(path.join(file.parentPath, file.name), 'latin1')
      for (const key of [...Object.values(KEYS), WRONG_KEY])
        assert.equal(bytes.includes(key), false, `${file.name} holds a key`)
    }
  })

  it('response-cache answers each consumer what it has stored, and no condition that nginx would fail', async () => {
    const ask = async (key: string, headers: Readonly<Record<string, string>> = {}, method = 'GET') => {
      const url = `${gateway.proxyUrl}/${PREFIX}/cache?run=${process.pid}`
      const response = await fetch(url, { method, headers: { apikey: key, ...headers } })
      return { response, body: await response.text(), cache: response.headers.get('cache-status') ?? '' }
    }
    const miss = await ask(KEYS.gold)
    assert.equal(miss.cache, 'Sluice; fwd=miss; stored')
    const hit = await ask(KEYS.gold)
    assert.match(hit.cache, /^Sluice; hit; ttl=\d+$/)
    assert.equal(hit.body, miss.body)
    assert.match(hit.response.headers.get('age') ?? '', /^\d+$/)
    assert.equal(hit.response.headers.get('date'), miss.response.headers.get('date'))
    assert.equal((await ask(KEYS.gold, { 'if-none-match': '"contract"' })).response.status, 304)
    const head = await ask(KEYS.gold, {}, 'HEAD')
    assert.match(head.cache, /hit/)
    assert.equal(head.response.headers.get('content-length'), String(miss.body.length))
    assert.equal(upstream.asked, 1)
    assert.equal((await ask(KEYS.bronze)).cache, 'Sluice; fwd=miss; stored')
    assert.equal(upstream.asked, 2)
    const conditional = await ask(KEYS.gold, { 'if-match': '"contract"' })
    assert.equal(conditional.response.status, 200)
    assert.equal(upstream.asked, 3)
    assert.equal((await ask(KEYS.gold, {}, 'PUT')).response.status, 200)
    assert.match((await ask(KEYS.gold)).cache, /miss/)
  })

  it('upstream-token proves to the service who asks, whatever the client sends', async () => {
    const headers = { apikey: KEYS.gold, 'sluice-token': 'forged' }
    const answer = await fetch(`${gateway.proxyUrl}/${PREFIX}/edge`, { headers })
    assert.equal(answer.status, 200)
    const [key] = readKeyFolder(keys.path)
    const token = String(upstream.headers['sluice-token'])
    const claims = jsonwebtoken.verify(token, createPublicKey(key!.privateKey), {
      algorithms: ['ES256'],
      issuer: 'sluice',
      audience: `${PREFIX}-edge`,
    })
    assert.equal(claims.sub, `${PREFIX}-gold`)
  })

  it('request-log gives the service its span, and knows it again in the log phase', async () => {
    const traceId = '0af7651916cd43dd8448eb211c80319c'
    for (const traceparent of [undefined, `00-${traceId}-b7ad6b7169203331-01`, undefined]) {
      const headers = { apikey: KEYS.gold, ...(traceparent && { traceparent }) }
      const answer = await fetch(`${gateway.proxyUrl}/${PREFIX}/edge`, { headers })
      assert.equal(answer.status, 200)
      const [, trace, span] = String(upstream.headers.traceparent).split('-')
      if (traceparent) assert.equal(trace, traceId)
      await until('the span has come', () =>
        collector.spans.some(
          one =>
            one.traceId === trace &&
            one.spanId === span &&
            one.parentSpanId === (traceparent ? 'b7ad6b7169203331' : undefined),
        ),
      )
    }
  })

  it('aggregate answers from requests through the gateway, with the credentials of the client', async () => {
    const whole = await get('whole', KEYS.gold)
    assert.equal(whole.status, 200)
    const consumer = `${PREFIX}-gold`
    assert.deepEqual(await whole.json(), { one: { consumer }, two: consumer, errors: [] })
    const refused = await get('whole', WRONG_KEY)
    assert.equal(refused.status, 401)
    assert.equal(((await refused.json()) as { part: string }).part, 'one')
  })

  it('response-cache serves a stale answer when the service fails, and a new one when it is back', async () => {
    const ask = async (control?: string) => {
      const url = `${gateway.proxyUrl}/${PREFIX}/stale?run=${process.pid}`
      const headers = control === undefined ? {} : { 'cache-control': control }
      const response = await fetch(url, { headers })
      await response.arrayBuffer()
      return `${response.status} ${response.headers.get('cache-status')?.replace(/ttl=\d+/, 'ttl')}`
    }
    assert.equal(await ask(), '200 Sluice; fwd=miss; stored')
    upstream.status = 503
    assert.equal(await ask('no-cache'), '200 Sluice; hit; ttl; detail=stale-if-error')
    upstream.status = 200
    await until(async () => (await ask('no-cache')) === '200 Sluice; fwd=miss; stored')
    assert.equal(await ask(), '200 Sluice; hit; ttl')
  })

  it('response-cache lets a stream of events through while it comes', async () => {
    const url = `${gateway.proxyUrl}/${PREFIX}/stale`
    const response = await fetch(url, { headers: { accept: 'text/event-stream' } })
    const reader = response.body?.getReader()
    const first = await reader?.read()
    assert.equal(Buffer.from(first?.value ?? []).toString(), 'data: first\n\n')
    upstream.release()
    const last = await reader?.read()
    assert.equal(Buffer.from(last?.value ?? []).toString(), 'data: last\n\n')
    assert.equal((await reader?.read())?.done, true)
  })

  it('the three composed limit, break and record as they do alone', async () => {
    assert.deepEqual(await statuses(4, 'sluice', KEYS.bronze), [200, 200, 200, 429])
    upstream.status = 500
    await until(async () => (await statuses(1, 'sluice', KEYS.gold))[0] === 503)
    upstream.status = 200
    await until(async () => (await statuses(1, 'sluice', KEYS.gold))[0] === 200)
    await until(async () => {
      const outcomes = (await readEvents())
        .filter(({ data }) => data.route_name === `${PREFIX}-sluice`)
        .map(({ data }) => data.outcome)
      return outcomes.includes('granted')
    })
  })

  it('a killed plugin server costs requests 500 until it is back, and no limit is forgotten by the gateway', async () => {
    process.kill(server.pid, 'SIGKILL')
    await until(async () => (await statuses(1, 'qos', KEYS.gold))[0] === 500)
    await server.close()
    server = await startServerProcess(settings(), { socket: gateway.socket })
    await until(async () => (await statuses(1, 'qos', KEYS.gold))[0] === 200)
    assert.deepEqual(await statuses(4, 'qos', KEYS.bronze), [200, 200, 200, 429])
  })

  interface AuditEvent {
    readonly type: string
    readonly data: {
      readonly outcome?: string
      readonly reason?: string | null
      readonly route_name?: string
      readonly consumer_username?: string
    }
  }

  async function readEvents(): Promise<readonly AuditEvent[]> {
    const { stdout } = await runSluice(['events', 'tail', '--spool-dir', server.spool, '-n', '1000'])
    return stdout
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line) as AuditEvent)
  }
})
