import assert from 'node:assert/strict'
import type { IncomingHttpHeaders } from 'node:http'
import { plugin as aggregate } from '../../../plugins/aggregate/plugin.ts'
import { plugin as requestLog } from '../../../plugins/request-log/plugin.ts'
import { type EdgeGateway, startEdgeGateway } from '../../support/edge-gateway.ts'
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from '../../support/otlp-receiver.ts'
import { freePort } from '../../support/ports.ts'
import { until } from '../../support/until.ts'
import { startUpstream, type TestUpstream } from '../../support/upstream.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const PARENT = 'b7ad6b7169203331'
const SERVER = 2

for (const protocol of ['ProtoBuf:1', 'MsgPack:1'] as const)
  describe(`the trace of an aggregate over ${protocol}`, () => {
    let gateway: EdgeGateway
    let service: TestUpstream
    let collector: OtlpReceiver
    let seen: IncomingHttpHeaders[]

    before(async () => {
      collector = await startOtlpReceiver()
      service = await startUpstream(({ headers }, response) => {
        seen.push(headers)
        response.writeHead(200, { 'content-type': 'application/json' }).end('{"id":1}')
      })
      const proxyPort = await freePort()
      gateway = await startEdgeGateway({
        plugins: [aggregate, requestLog],
        protocol,
        proxyPort,
        env: {
          SLUICE_PROXY_URL: `http://127.0.0.1:${proxyPort}`,
          SLUICE_LOOPBACK_SECRET: 'a secret of the tests, at least 32 characters',
          SLUICE_OTLP_URL: collector.url,
        },
      })
      await gateway.admin('POST', '/plugins', { name: 'request-log', config: { lines: false } })
      await gateway.addService('users', service.url, [])
      await gateway.addService('denied', service.url, [{ name: 'key-auth', config: {} }])
      await gateway.admin('POST', '/routes', { name: 'whole', paths: ['/whole'] })
      const parts = [
        { name: 'user', path: '/users/me', timeout_ms: 30_000 },
        { name: 'denied', path: '/denied', timeout_ms: 30_000, optional: true },
      ]
      await gateway.admin('POST', '/routes/whole/plugins', {
        name: 'aggregate',
        config: { parts, timeout_ms: 30_000 },
      })
    })
    beforeEach(() => {
      seen = []
    })
    after(async () => {
      await gateway.close()
      await Promise.all([service.close(), collector.close()])
    })

    /** The spans of one request: of the aggregate, of its parts, and of what the gateway did for them. */
    async function spansOf(headers: Record<string, string>) {
      const from = collector.spans.length
      assert.equal((await fetch(`${gateway.proxyUrl}/whole`, { headers })).status, 200)
      const ofServer = () => collector.spans.slice(from).filter(({ kind }) => kind === SERVER)
      await until(() => ofServer().length === 3)
      const named = (name: string) => ofServer().find(span => span.name === name) as ReceivedSpan
      return {
        all: collector.spans.slice(from),
        whole: named('GET whole'),
        parts: [named('GET users'), named('GET denied')],
      }
    }

    it('is one, in which the parts are children of the request', async () => {
      const { all, whole, parts } = await spansOf({})
      assert.equal(whole.parentSpanId, undefined)
      assert.deepEqual(new Set(all.map(({ traceId }) => traceId)), new Set([whole.traceId]))
      for (const { parentSpanId, spanId } of parts) {
        assert.equal(parentSpanId, whole.spanId)
        assert.notEqual(spanId, whole.spanId)
      }
      assert.match(String(seen[0]?.traceparent), new RegExp(`^00-${whole.traceId}-${parts[0]?.spanId}-01$`))
    })

    it('goes on with that of the client, and with what vendors have noted in it', async () => {
      const traceparent = `00-${TRACE}-${PARENT}-01`
      const { whole, parts } = await spansOf({ traceparent, tracestate: 'a=b' })
      assert.deepEqual([whole.traceId, whole.parentSpanId], [TRACE, PARENT])
      for (const { traceId, parentSpanId } of parts)
        assert.deepEqual([traceId, parentSpanId], [TRACE, whole.spanId])
      assert.equal(seen[0]?.tracestate, 'a=b')
    })

    it('does not go on with one that is none', async () => {
      const { whole, parts } = await spansOf({ traceparent: `00-${TRACE}-0-01`, tracestate: 'a=b' })
      assert.notEqual(whole.traceId, TRACE)
      assert.equal(parts[0]?.parentSpanId, whole.spanId)
      assert.equal(seen[0]?.tracestate ?? '', '')
    })
  })
