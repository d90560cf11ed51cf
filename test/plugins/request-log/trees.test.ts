import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { RequestListener } from 'node:http'
import fc from 'fast-check'
import { plugin as requestLog } from '../../../plugins/request-log/plugin.ts'
import { type Collector, startCollector } from '../../support/collector.ts'
import { type EdgeGateway, startEdgeGateway } from '../../support/edge-gateway.ts'
import { freePort } from '../../support/ports.ts'
import { until } from '../../support/until.ts'
import { startUpstream, type TestUpstream } from '../../support/upstream.ts'

/** A thousand by hand: SLUICE_TEST_TREES=1000. */
const TREES = Number(process.env.SLUICE_TEST_TREES ?? 40)

/** A request and those that its service makes while it answers. */
interface Node {
  readonly target: 'words' | 'fails' | 'dead' | 'denied'
  readonly calls: readonly Node[]
}

const { tree } = fc.letrec<{ tree: Node; leaf: Node; branch: Node }>(tie => ({
  tree: fc.oneof({ maxDepth: 3, depthIdentifier: 'tree' }, tie('leaf'), tie('branch')),
  leaf: fc.record({
    target: fc.constantFrom('words' as const, 'fails' as const, 'dead' as const, 'denied' as const),
    calls: fc.constant([]),
  }),
  branch: fc.record({
    target: fc.constant('words' as const),
    calls: fc.array(tie('tree'), { maxLength: 3, depthIdentifier: 'tree' }),
  }),
}))

const hex = (bytes: number) => randomBytes(bytes).toString('hex')

describe('the spans of the gateway and of services behind it', () => {
  let collector: Collector
  let gateway: EdgeGateway
  let service: TestUpstream

  /** A span of a client or of a service, as its own library would send it. */
  const record = async (traceId: string, spanId: string, parentSpanId: string | undefined) => {
    const time = `${Date.now()}000000`
    const span = {
      traceId,
      spanId,
      ...(parentSpanId && { parentSpanId }),
      name: 'test',
      kind: 3,
      startTimeUnixNano: time,
      endTimeUnixNano: time,
      attributes: [],
    }
    const body = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] })
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${collector.url}/v1/traces`, { method: 'POST', headers, body })
    assert.equal(answer.status, 200)
  }

  const call = async ({ target, calls }: Node, traceparent: string | undefined) => {
    const headers = { 'x-calls': JSON.stringify(calls), ...(traceparent && { traceparent }) }
    await (await fetch(`${gateway.proxyUrl}/${target}`, { headers })).text()
  }

  /** Answers when all its own calls are answered. */
  const listener: RequestListener = ({ headers, url }, response) => {
    const [, traceId = '', parent] = String(headers.traceparent).split('-')
    const own = hex(8)
    const calls = JSON.parse(String(headers['x-calls'])) as Node[]
    Promise.all([
      record(traceId, own, parent),
      ...calls.map(node => call(node, `00-${traceId}-${own}-01`)),
    ]).then(
      () => response.writeHead(url === '/fails' ? 500 : 200).end(),
      () => response.destroy(),
    )
  }

  before(async () => {
    collector = await startCollector()
    service = await startUpstream(listener)
    gateway = await startEdgeGateway({
      plugins: [requestLog],
      env: { SLUICE_OTLP_URL: collector.url },
    })
    const entry = { name: 'request-log', config: { lines: false } }
    await gateway.addService('words', service.url, [entry])
    await gateway.addService('fails', `${service.url}/fails`, [entry])
    await gateway.addService('dead', `http://127.0.0.1:${await freePort()}`, [entry])
    await gateway.addService('denied', service.url, [entry, { name: 'key-auth', config: {} }])
  })
  after(async () => {
    await gateway?.close()
    await service?.close()
    await collector?.close()
  })

  it(`have no orphan in ${TREES} random trees of requests`, async function () {
    this.timeout(60_000 + TREES * 1_000)
    const trees = fc.sample(tree, TREES)
    const count = ({ calls }: Node): number => calls.reduce((sum, node) => sum + count(node), 1)
    for (const [index, node] of trees.entries()) {
      const traceId = hex(16)
      const client = hex(8)
      // Every other tree begins at a client that takes part in traces.
      if (index % 2 === 0) await record(traceId, client, undefined)
      await call(node, index % 2 === 0 ? `00-${traceId}-${client}-01` : undefined)
    }
    const requests = trees.reduce((sum, node) => sum + count(node), 0)
    const servers = () => collector.spans().filter(({ kind }) => kind === 2)
    await until('each request has its span', () => servers().length >= requests)
    assert.equal(servers().length, requests)
    const all = collector.spans()
    const known = new Set(all.map(({ traceId, spanId }) => `${traceId} ${spanId}`))
    assert.equal(known.size, all.length)
    const orphans = all.filter(
      ({ traceId, parentSpanId }) => parentSpanId && !known.has(`${traceId} ${parentSpanId}`),
    )
    assert.deepEqual(orphans, [])
    assert.equal(new Set(all.map(({ traceId }) => traceId)).size, TREES)
  })
})
