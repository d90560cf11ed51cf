import { record, text } from '../../sdk/log-data/serialized.ts'
import type { AccessKong, LogKong } from '../../sdk/sdk.ts'
import {
  answeredSpan,
  beginTrace,
  createSpanId,
  formatTraceparent,
  isOwnSpan,
  parseTraceparent,
  type RandomHex,
  type TraceContext,
} from '../../sdk/trace-context.ts'

/** Where in the log data the span of the access phase stands, if it is there. */
const MARK = 'sluice.trace'
export const TRACEPARENT = 'traceparent'
/** How long a route counts as traced by Kong's own plugin after a request of it was, milliseconds. */
const KONG_TRACES_FOR_MS = 600_000
const ROUTES_KEPT = 10_000

type Log = Awaited<ReturnType<LogKong['log']['serialize']>>

/** The span of a request, as the log phase finds it. */
export interface RequestSpan extends TraceContext {
  /** The span of the client; undefined where the trace begins here. */
  readonly parentId: string | undefined
  /** Somebody else records it: Kong's plugin opentelemetry, or nobody. */
  readonly isForeign: boolean
}

export interface TracingParts {
  readonly randomHex: RandomHex
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/**
 * The trace of the requests of one plugin entry.
 *
 * Most requests need no mark in Kong's log data: the span's id stands in the `traceparent` that the service got. A mark
 * is set where there is a parent, and until a log event has shown that Kong's plugin opentelemetry, which would
 * replace that field, does not run on this entry.
 */
export class Tracing {
  readonly #parts: TracingParts
  /** Until when Kong traces these routes itself, monotonic milliseconds. */
  readonly #tracedByKong = new Map<string, number>()
  #isProven = false

  constructor(parts: TracingParts) {
    this.#parts = parts
  }

  /** Gives the service a `traceparent` of ours. @returns our span's id; undefined where Kong traces by itself */
  async begin(kong: AccessKong, share: number): Promise<string | undefined> {
    if (await this.#isTracedByKong(kong)) return undefined
    const { randomHex } = this.#parts
    const received = await kong.request.getHeader(TRACEPARENT)
    const parent = parseTraceparent(received)
    const { traceId, flags } = parent ?? beginTrace(share, randomHex)
    const spanId = createSpanId(traceId, randomHex)
    kong.service.request.setHeader(TRACEPARENT, formatTraceparent({ traceId, spanId, flags }))
    // What vendors have noted belongs to the trace that is not continued.
    if (received !== undefined && !parent) kong.service.request.clearHeader('tracestate')
    if (parent) kong.log.setSerializeValue(MARK, { span: spanId, parent: parent.spanId })
    else if (!this.#isProven) kong.log.setSerializeValue(MARK, { span: spanId })
    return spanId
  }

  /** The span of a request that is over. */
  end(log: Log): RequestSpan {
    const sent = parseTraceparent(text(record(record(log.request).headers)[TRACEPARENT]))
    const mark = record(record(log.sluice).trace)
    const ofKong = text(record(log.trace_id).w3c)
    if (sent && isOwnSpan(sent)) {
      this.#isProven = true
      return { ...sent, parentId: text(mark.parent), isForeign: false }
    }
    const span = text(mark.span)
    if (ofKong !== undefined) this.#noteKongTraces(log)
    // The first requests, before it was known that Kong's plugin traces them: its spans are children of ours.
    if (span !== undefined && sent)
      return { ...sent, spanId: span, parentId: text(mark.parent), isForeign: false }
    if (ofKong !== undefined)
      return { traceId: ofKong, spanId: '', flags: 0, parentId: undefined, isForeign: true }
    return this.#withoutAccess(log, sent)
  }

  /** An earlier plugin has answered, so the access phase did not run: `sent` is what the client sent. */
  #withoutAccess(log: Log, sent: TraceContext | undefined): RequestSpan {
    const span = answeredSpan(text(record(log.request).id), sent) ?? this.#newSpan(sent)
    return { ...span, parentId: sent?.spanId, isForeign: false }
  }

  #newSpan(sent: TraceContext | undefined): TraceContext {
    const { randomHex } = this.#parts
    const { traceId, flags } = sent ?? beginTrace(1, randomHex)
    return { traceId, flags, spanId: createSpanId(traceId, randomHex) }
  }

  #noteKongTraces(log: Log): void {
    const route = text(record(log.route).id)
    if (route === undefined) return
    if (this.#tracedByKong.size >= ROUTES_KEPT) this.#tracedByKong.clear()
    this.#tracedByKong.set(route, this.#parts.now() + KONG_TRACES_FOR_MS)
  }

  async #isTracedByKong(kong: AccessKong): Promise<boolean> {
    // Kong is asked for the route only where its plugin was seen at all.
    if (this.#tracedByKong.size === 0) return false
    const route = await kong.router.getRoute()
    return route !== undefined && (this.#tracedByKong.get(route.id) ?? 0) > this.#parts.now()
  }
}
