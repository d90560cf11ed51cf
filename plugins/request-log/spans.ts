/** Spans in the form of OTLP/HTTP JSON (opentelemetry-proto 1.x: ids in hexadecimal, 64-bit integers as strings). */
import { whoAnswered } from '../../sdk/log-data/answered-by.ts'
import { number, record, type Serialized, text } from '../../sdk/log-data/serialized.ts'
import type { RandomHex } from '../../sdk/trace-context.ts'
import { nameOf, type RequestLine, statusOf } from './line.ts'
import type { RequestSpan } from './tracing.ts'

export interface OtlpSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly Attribute[]
  readonly status?: { readonly code: number }
}

export interface Attribute {
  readonly key: string
  readonly value: { readonly stringValue: string } | { readonly intValue: string }
}

const INTERNAL = 1
const SERVER = 2
const CLIENT = 3
const ERROR = { code: 2 }

/** When our plugins ran in the access phase, milliseconds since the epoch, with fractions. */
export interface PluginTime {
  readonly startMs: number
  readonly endMs: number
}

export interface SpanSource {
  readonly log: Serialized
  readonly span: RequestSpan
  /** What is shown of the request: nothing else of it becomes an attribute. */
  readonly line: RequestLine
  /** Known where access and log phase ran in the same process. */
  readonly plugins: PluginTime | undefined
}

/**
 * The span of the request, one a try, and that of our plugins. Names and attributes by the semantic conventions for
 * HTTP (1.27).
 */
export function spansOf(source: SpanSource, randomHex: RandomHex): readonly OtlpSpan[] {
  const { span, plugins } = source
  const child = (startMs: number, endMs: number) => ({
    traceId: span.traceId,
    spanId: randomHex(8),
    parentSpanId: span.spanId,
    startTimeUnixNano: nanos(startMs),
    endTimeUnixNano: nanos(Math.max(startMs, endMs)),
  })
  const spans: OtlpSpan[] = [requestSpan(source)]
  if (plugins)
    spans.push({
      ...child(plugins.startMs, plugins.endMs),
      name: 'sluice access',
      kind: INTERNAL,
      attributes: [],
    })
  for (const { startMs, endMs, attributes, failed } of triesOf(source))
    spans.push({
      ...child(startMs, endMs),
      name: source.line.method ?? 'HTTP',
      kind: CLIENT,
      attributes,
      ...(failed && { status: ERROR }),
    })
  return spans
}

function requestSpan({ log, span, line }: SpanSource): OtlpSpan {
  const startMs = number(log.started_at) ?? 0
  const { parentId } = span
  const isError = line.status >= 500 || line.answered_by === 'error'
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(parentId !== undefined && { parentSpanId: parentId }),
    name: line.route === null ? (line.method ?? 'HTTP') : `${line.method} ${line.route}`,
    kind: SERVER,
    startTimeUnixNano: nanos(startMs),
    endTimeUnixNano: nanos(startMs + (line.latency_ms ?? 0)),
    attributes: attributesOf({
      'http.request.method': line.method,
      'url.scheme': /^https?(?=:)/.exec(text(record(log.request).url) ?? '')?.[0] ?? null,
      'url.path': line.path,
      ...serverOf(line.host),
      'client.address': line.client_ip,
      'user_agent.original': line.user_agent,
      'http.response.status_code': line.status,
      'http.request.size': line.request_bytes,
      'http.response.size': line.response_bytes,
      'kong.request_id': line.request_id,
      'kong.service': line.service,
      'kong.route': line.route,
      'kong.consumer': line.consumer,
      'kong.latency_ms': line.latency_kong_ms,
    }),
    ...(isError && { status: ERROR }),
  }
}

/** The host that the client named, and its port. */
function serverOf(host: string | null) {
  const [, address, port] = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(host ?? '') ?? []
  return {
    'server.address': address?.replace(/^\[|\]$/g, '') ?? host,
    'server.port': port === undefined ? null : Number(port),
  }
}

/** A try ends where the next begins, the last with the answer's end; Kong tells no more. */
function triesOf({ log, line }: SpanSource) {
  const tries = Array.isArray(log.tries) ? log.tries.map(record) : []
  const requestEnd = (number(log.started_at) ?? 0) + (number(record(log.latencies).request) ?? 0)
  const wasAnswered = whoAnswered(log) !== 'error'
  return tries.map((one, index) => {
    const isLast = index === tries.length - 1
    const startMs = number(one.balancer_start) ?? 0
    const status = isLast && wasAnswered ? statusOf(log) : number(one.code)
    return {
      startMs,
      endMs: isLast ? requestEnd : (number(tries[index + 1]?.balancer_start) ?? startMs),
      failed: !isLast || !wasAnswered || statusOf(log) >= 500,
      attributes: attributesOf({
        'http.request.method': line.method,
        'server.address': text(one.ip) ?? null,
        'server.port': number(one.port) ?? null,
        'http.response.status_code': status ?? null,
        'http.request.resend_count': index === 0 ? null : index,
        'kong.service': nameOf(log.service, 'host'),
      }),
    }
  })
}

function attributesOf(values: Readonly<Record<string, string | number | null>>): readonly Attribute[] {
  return Object.entries(values).flatMap(([key, value]): Attribute[] => {
    if (value === null) return []
    return [
      {
        key,
        value: typeof value === 'number' ? { intValue: String(Math.round(value)) } : { stringValue: value },
      },
    ]
  })
}

/** Doubles hold no nanoseconds of this century. */
const nanos = (ms: number): string =>
  `${Math.floor(ms)}${String(Math.floor((ms % 1) * 1e6)).padStart(6, '0')}`

/** The body of `POST /v1/traces`. */
export function exportRequest(spans: readonly OtlpSpan[], node: string): object {
  const resource = { attributes: attributesOf({ 'service.name': 'sluice', 'service.instance.id': node }) }
  return { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'sluice.request-log' }, spans }] }] }
}
