import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { createLogger } from '../../../foundation/log.ts'
import { createMetrics } from '../../../foundation/metrics.ts'
import { plugin as requestLog } from '../../../plugins/request-log/plugin.ts'
import { plugin as sluice } from '../../../plugins/sluice/plugin.ts'
import { type Harness, type HarnessOptions, startHarness } from '../../../testing/harness.ts'
import { makeFolder, type TestFolder } from '../../support/folder.ts'
import { type OtlpReceiver, startOtlpReceiver } from '../../support/otlp-receiver.ts'
import { until } from '../../support/until.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const PARENT = 'b7ad6b7169203331'
const EDDIE = { username: 'eddie', tags: [] }
const SECRET = { SLUICE_FINGERPRINT_SECRET: 'a secret of at least thirty-two bytes' }

for (const [name, protocol, isComposed] of [
  ['alone, over ProtoBuf:1', 'ProtoBuf:1', false],
  ['alone, over MsgPack:1', 'MsgPack:1', false],
  ['in sluice', 'ProtoBuf:1', true],
] as const)
  describe(`request-log ${name}`, () => {
    let folder: TestFolder
    let file: string
    let kong: Harness | undefined
    let collector: OtlpReceiver
    const start = async (config: object = {}, options: HarnessOptions = {}) => {
      const env = { SLUICE_REQUEST_LOG_FILE: file, SLUICE_OTLP_URL: collector.url, ...SECRET, ...options.env }
      kong = await startHarness(isComposed ? sluice : requestLog, {
        ...options,
        config: isComposed ? { request_log: config, key_auth_audit: {} } : { ...config },
        protocol,
        env,
      })
      return kong
    }
    /** Ends the plugin server, so that nothing is on its way any more. */
    const end = async () => {
      await kong?.close()
      kong = undefined
    }
    const lines = async (): Promise<Record<string, unknown>[]> => {
      await end()
      return readFileSync(file, 'utf8')
        .split('\n')
        .slice(0, -1)
        .map(line => JSON.parse(line))
    }
    beforeEach(async () => {
      folder = makeFolder()
      file = path.join(folder.path, 'log', 'requests.jsonl')
      collector = await startOtlpReceiver()
    })
    afterEach(async () => {
      await end()
      await collector.close()
      folder.remove()
    })

    it('writes each request as a line, and no secret', async () => {
      const { apikey, request } = await start({}, { consumer: EDDIE })
      const path = `/v1/words/good?apikey=${apikey}&x=1`
      await request(path, { headers: { 'user-agent': `curl ${apikey}`, authorization: 'Bearer planted' } })
      await request('/v1/words', {})
      const [first, second, ...more] = await lines()
      assert.deepEqual(more, [])
      assert.match(String(first?.request_id), /^[0-9a-f]{32}$/)
      assert.match(String(first?.time), /^\d{4}-\d\d-\d\dT/)
      assert.deepEqual(
        [first?.method, first?.path, first?.status, first?.service, first?.route, first?.consumer],
        ['GET', '/v1/words/good', 200, 'harness', 'harness', 'eddie'],
      )
      assert.deepEqual([first?.answered_by, first?.user_agent], ['service', 'curl (hidden)'])
      assert.deepEqual([second?.status, second?.answered_by, second?.consumer], [401, 'exit', null])
      assert.doesNotMatch(readFileSync(file, 'utf8'), /harness-key|planted/)
    })

    it('writes one line a request, without what a terminal obeys, whatever a client sends', async () => {
      const { request } = await start()
      // Bytes of UTF-8, as Node.js sends characters of Latin-1: CSI (U+009B), a separator of lines (U+2028).
      const agent = 'a\u00c2\u009b31m","status":200,"x":"\u00e2\u0080\u00a8\\n\t'
      await request('/v1/a%0d%0a%1b[31m', { headers: { 'user-agent': agent, traceparent: 'x\ty' } })
      const [line, ...more] = await lines()
      assert.deepEqual(more, [])
      assert.match(String(line?.user_agent), /^a.?\u009b31m","status":200,"x":"/)
      assert.equal(line?.status, 200)
      const text = readFileSync(file, 'utf8')
      assert.doesNotMatch(text.slice(0, -1), /[\p{Cc}\u2028\u2029]/u)
    })

    it('writes the sample, and every request that failed or was slow', async () => {
      const upstream = { fail: { status: 500 }, fine: {} } as const
      const { request } = await start(
        { sample: 0, slow_ms: 1 },
        {
          upstream: async ({ path }) => {
            if (path === '/slow') await new Promise(resolve => setTimeout(resolve, 5))
            return path === '/fail' ? upstream.fail : upstream.fine
          },
        },
      )
      await request('/fail')
      await request('/slow')
      const found = await lines()
      assert.deepEqual(
        found.map(line => line.path),
        ['/fail', '/slow'],
      )
    })

    it('leaves a request out that the sample does not choose', async () => {
      const { request, metrics } = await start({ sample: 0, slow_ms: 60_000 })
      await request('/')
      assert.match(await metrics(), /sluice_request_log_lines_total\{outcome="left-out"\} 1/)
      await end()
      assert.equal(readdirSync(folder.path).includes('log'), false)
    })

    it('counts durations by service, route and class of status', async () => {
      const { request, metrics } = await start({}, { upstream: () => ({ status: 404 }) })
      await request('/')
      await request('/')
      const labels = 'service="harness",route="harness",status="4xx"'
      assert.match(await metrics(), new RegExp(`sluice_request_duration_seconds_count\\{${labels}\\} 2`))
      assert.match(await metrics(), new RegExp(`upstream_duration_seconds_count\\{${labels}\\} 2`))
    })

    it('begins a trace, and gives the service its span', async () => {
      const { request } = await start()
      const { upstream } = await request('/')
      const [, traceId, spanId, flags] = String(upstream?.headers.traceparent).split('-')
      assert.equal(flags, '01')
      const [line] = await lines()
      assert.deepEqual([line?.trace_id, line?.span_id], [traceId, spanId])
      const server = collector.spans.find(({ kind }) => kind === 2)
      assert.deepEqual([server?.traceId, server?.spanId, server?.parentSpanId], [traceId, spanId, undefined])
      const children = collector.spans.filter(span => span !== server)
      assert.deepEqual(children.map(({ name }) => name).sort(), ['GET', 'sluice access'])
      assert.ok(children.every(({ parentSpanId }) => parentSpanId === spanId))
    })

    it('goes on with the trace of the client, as the client decided', async () => {
      const { request } = await start()
      const ask = (flags: string) =>
        request('/', { headers: { traceparent: `00-${TRACE}-${PARENT}-${flags}`, tracestate: 'a=b' } })
      const unrecorded = await ask('00')
      const { upstream } = await ask('01')
      await end()
      assert.match(String(unrecorded.upstream?.headers.traceparent), new RegExp(`^00-${TRACE}-.*-00$`))
      assert.equal(upstream?.headers.tracestate, 'a=b')
      const servers = collector.spans.filter(({ kind }) => kind === 2)
      assert.equal(servers.length, 1)
      assert.deepEqual([servers[0]?.traceId, servers[0]?.parentSpanId], [TRACE, PARENT])
      assert.match(
        String(upstream?.headers.traceparent),
        new RegExp(`^00-${TRACE}-${servers[0]?.spanId}-01$`),
      )
    })

    it('replaces a trace that is none, with what vendors have noted in it', async () => {
      const { request } = await start()
      const headers = { traceparent: `00-${TRACE}-0000000000000000-01`, tracestate: 'a=b' }
      const { upstream } = await request('/', { headers })
      assert.doesNotMatch(String(upstream?.headers.traceparent), new RegExp(TRACE))
      assert.equal(upstream?.headers.tracestate, undefined)
    })

    it('records a request that was refused before it, as part of the client’s trace', async () => {
      const { request } = await start({}, { consumer: EDDIE })
      assert.equal((await request('/', { headers: { traceparent: `00-${TRACE}-${PARENT}-01` } })).status, 401)
      await end()
      const [span, ...more] = collector.spans
      assert.deepEqual([span?.traceId, span?.parentSpanId, more], [TRACE, PARENT, []])
    })

    it('leaves traces alone where there is no collector, or the configuration says so', async () => {
      const { request } = await start({ trace: false })
      assert.equal((await request('/')).upstream?.headers.traceparent, undefined)
      await end()
      const other = await start({}, { env: { SLUICE_OTLP_URL: '' } })
      assert.equal((await other.request('/')).upstream?.headers.traceparent, undefined)
    })

    if (isComposed)
      it('has the same trace as the audit', async () => {
        const { request, apikey, events } = await start({}, { consumer: EDDIE })
        await request('/', { headers: { apikey } })
        const [line] = await lines()
        const granted = events.find(({ type }) => type === 'key-auth.granted.v1')
        assert.equal(granted?.data.trace_id, line?.trace_id)
        assert.match(String(line?.trace_id), /^[0-9a-f]{32}$/)
      })
  })

describe('request-log and its collector', () => {
  let collector: OtlpReceiver
  let kong: Harness
  const start = async (env: Readonly<Record<string, string>> = {}) => {
    kong = await startHarness(requestLog, {
      config: { lines: false },
      env: { SLUICE_OTLP_URL: collector.url, ...env },
    })
    return kong
  }
  beforeEach(async () => {
    collector = await startOtlpReceiver()
  })
  afterEach(async () => {
    await kong.close()
    await collector.close()
  })

  it('lets no request wait for one that does not answer, and sends again what it did not take', async () => {
    collector.isStuck = true
    const { request, events } = await start()
    assert.equal((await request('/')).status, 200)
    await until(() => collector.requests > 0)
    assert.equal((await request('/')).status, 200)
    await collector.close()
    await until(() => events.some(({ type }) => type === 'request-log.degraded.v1'))
    collector = await startOtlpReceiver(Number(new URL(collector.url).port))
    await until(() => collector.spans.filter(({ kind }) => kind === 2).length === 2)
    await until(() => events.filter(({ type }) => type === 'request-log.degraded.v1').length === 2)
  })

  it('gives it the headers that it asks for', async () => {
    const { request } = await start({ SLUICE_OTLP_HEADERS: 'x-token=planted=,x-b=2' })
    await request('/')
    await until(() => collector.spans.length > 0)
    assert.deepEqual([collector.headers['x-token'], collector.headers['x-b']], ['planted=', '2'])
  })
})

/** The plugin with a host of the test, by what Kong says of a request. */
describe('request-log, for what Kong has logged,', () => {
  const LOG = {
    ...{ started_at: 1_800_000_000_000, latencies: { request: 5 }, response: { status: 200 } },
    request: { id: TRACE, method: 'GET', uri: '/', headers: {} },
  }
  const CONFIG = {
    ...{ lines: true, sample: 1, slow_ms: 1_000, trace: true, trace_sample: 1 },
    ...{ key_names: [], path: 'masked', anonymize_ip: false },
  }
  let folder: TestFolder
  beforeEach(() => {
    folder = makeFolder()
  })
  afterEach(() => folder.remove())

  /** @returns what it has written, where it has sent how many spans, and its metrics */
  async function report(
    log: object,
    { config = {}, otlpUrl = 'http://collector:4318', file = path.join(folder.path, 'r.jsonl') } = {},
  ) {
    const sent: string[] = []
    const metrics = createMetrics()
    const host = {
      ...{ settings: { file, maxBytes: 65_536, keep: 1, otlpUrl }, metrics, node: 'n' },
      ...{ log: createLogger('silent'), events: { publish: async () => {} }, clock: { monotonic: () => 0 } },
      async fetch(url: string, { body }: { body: string }) {
        const { spans } = JSON.parse(body).resourceSpans[0].scopeSpans[0]
        sent.push(`${spans.length} to ${url}`)
        return { ok: true, status: 200, text: async () => '' }
      },
    }
    const memory = requestLog.memory?.(host as never)
    const full = { ...CONFIG, ...config }
    const instance = requestLog.instance?.(full as never, { host, memory } as never)
    const kong = { log: { serialize: async () => log } }
    await requestLog.phases.log?.(kong as never, { config: full, memory, instance } as never)
    await memory?.close?.()
    const text = existsSync(file) && !statSync(file).isDirectory() ? readFileSync(file, 'utf8') : ''
    return { sent, lines: text.split('\n').slice(0, -1), metrics: await metrics.text() }
  }
  const counted = (metrics: string) =>
    [...metrics.matchAll(/sluice_request_log_lines_total\{outcome="([^"]+)"\} 1/g)].map(found => found[1])

  it('writes a line and sends a span of a request, to the path of the collector’s spans', async () => {
    for (const otlpUrl of ['http://c:4318', 'http://c:4318/', 'http://c:4318/v1/traces']) {
      const { sent, metrics } = await report(LOG, { otlpUrl })
      assert.deepEqual(sent, ['1 to http://c:4318/v1/traces'])
      assert.deepEqual(counted(metrics), ['written'])
    }
  })

  it('neither writes nor counts a connection that is no request', async () => {
    const { sent, lines, metrics } = await report({ ...LOG, request: undefined })
    assert.deepEqual([sent, lines, counted(metrics)], [[], [], []])
    assert.doesNotMatch(metrics, /^sluice_request_duration_seconds_count/m)
  })

  it('sends no span where Kong’s own plugin does, and names its trace', async () => {
    const { sent, lines } = await report({ ...LOG, trace_id: { w3c: TRACE }, route: { id: 'r1' } })
    assert.deepEqual(sent, [])
    const { trace_id: trace, span_id: span } = JSON.parse(lines[0] ?? '')
    assert.deepEqual([trace, span], [TRACE, null])
  })

  it('sends no span of a trace that is not recorded', async () => {
    const headers = { traceparent: `00-${TRACE}-${PARENT}-00` }
    const { sent, lines } = await report({ ...LOG, request: { ...LOG.request, headers } })
    assert.deepEqual([sent, lines.length], [[], 1])
  })

  it('counts as left out what the sample leaves out, and nothing where there are no lines at all', async () => {
    assert.deepEqual(counted((await report(LOG, { config: { sample: 0 } })).metrics), ['left-out'])
    const config = { lines: false, sample: 0 }
    for (const status of [200, 500]) {
      const { lines, metrics, sent } = await report({ ...LOG, response: { status } }, { config })
      assert.deepEqual([lines, counted(metrics), sent.length], [[], [], 1])
    }
  })

  it('counts a line as dropped, not as written, where its file can’t be written', async () => {
    const { metrics, sent } = await report(LOG, { file: folder.path })
    assert.deepEqual([counted(metrics), sent.length], [['dropped'], 1])
  })
})
