import assert from 'node:assert/strict'
import type { Span } from '../../ops/local/up/traces.ts'
import { startUpstream } from './upstream.ts'

export interface ReceivedSpan extends Span {
  readonly status?: { readonly code: number }
}

/** Takes spans over OTLP/HTTP JSON, and holds each against the protocol. */
export interface OtlpReceiver {
  readonly url: string
  readonly spans: readonly ReceivedSpan[]
  /** Of the last request. */
  readonly headers: Readonly<Record<string, unknown>>
  readonly requests: number
  /** What it answers; 200 by default. */
  status: number
  /** Whether it answers at all. */
  isStuck: boolean
  close(): Promise<void>
}

export async function startOtlpReceiver(port?: number): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = []
  let headers = {}
  let requests = 0
  const server = await startUpstream(
    (request, response) => {
      const chunks: Buffer[] = []
      request.on('data', chunk => chunks.push(chunk))
      request.on('end', () => {
        requests++
        headers = request.headers
        if (receiver.isStuck) return
        if (receiver.status !== 200) {
          response.writeHead(receiver.status).end()
          return
        }
        try {
          assert.equal(request.url, '/v1/traces')
          assert.equal(request.headers['content-type'], 'application/json')
          spans.push(...readExport(JSON.parse(Buffer.concat(chunks).toString())))
          response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
        } catch (error) {
          response.writeHead(400).end(String(error))
        }
      })
    },
    { port },
  )
  const receiver: OtlpReceiver = {
    url: server.url,
    spans,
    get headers() {
      return headers
    },
    get requests() {
      return requests
    },
    status: 200,
    isStuck: false,
    close: server.close,
  }
  return receiver
}

/** @throws AssertionError for what the protocol does not allow */
function readExport(body: { resourceSpans: { scopeSpans: { spans: ReceivedSpan[] }[] }[] }): ReceivedSpan[] {
  const spans = body.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(scope => scope.spans))
  for (const span of spans) {
    assert.match(span.traceId, /^(?!0+$)[0-9a-f]{32}$/)
    assert.match(span.spanId, /^(?!0+$)[0-9a-f]{16}$/)
    if (span.parentSpanId !== undefined) assert.match(span.parentSpanId, /^(?!0+$)[0-9a-f]{16}$/)
    assert.ok(span.name.length > 0 && [1, 2, 3].includes(span.kind))
    for (const time of [span.startTimeUnixNano, span.endTimeUnixNano]) assert.match(time, /^\d{19}$/)
    assert.ok(BigInt(span.endTimeUnixNano) >= BigInt(span.startTimeUnixNano))
    for (const { key, value } of span.attributes) {
      assert.ok(key.length > 0)
      const [[kind, content] = []] = Object.entries(value)
      assert.ok(kind === 'stringValue' || (kind === 'intValue' && /^-?\d+$/.test(String(content))))
    }
  }
  return spans
}
