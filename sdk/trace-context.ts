/** The field `traceparent` of W3C Trace Context (Recommendation of 23 November 2021). */
import { hash } from 'node:crypto'

export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** 16 hexadecimal digits: the span of whoever sent it. */
  readonly spanId: string
  /** Bit 0: the trace is recorded. */
  readonly flags: number
}

const SAMPLED = 1
/** Bits that version 00 defines: recorded, and (level 2) a random trace id. */
const KNOWN_FLAGS = 3
const FORM = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

export const isSampled = ({ flags }: Pick<TraceContext, 'flags'>): boolean => (flags & SAMPLED) !== 0

/** Undefined for what the recommendation calls invalid. */
export function parseTraceparent(text: string | undefined): TraceContext | undefined {
  const [, version, traceId = '', spanId = '', flags = '', rest] = FORM.exec(text ?? '') ?? []
  if (version === undefined || version === 'ff') return undefined
  // A later version may be longer.
  if (version === '00' && rest !== undefined) return undefined
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined
  return { traceId, spanId, flags: Number.parseInt(flags, 16) & KNOWN_FLAGS }
}

export const formatTraceparent = ({ traceId, spanId, flags }: TraceContext): string =>
  `00-${traceId}-${spanId}-${flags.toString(16).padStart(2, '0')}`

/** So many random bytes, as hexadecimal digits. */
export type RandomHex = (bytes: number) => string

/** Half of a span's id is random, half shows that it is one of ours; see `isOwnSpan`. */
export function createSpanId(traceId: string, randomHex: RandomHex): string {
  const random = randomHex(4)
  return random + ownMark(traceId, random)
}

/**
 * Whether the span is one that `createSpanId` made. So the log phase knows the span that the access phase gave a
 * request, in another worker too, by the `traceparent` that the service got: a further PDK call would cost Kong 8 µs.
 */
export const isOwnSpan = ({ traceId, spanId }: TraceContext): boolean =>
  spanId.slice(8) === ownMark(traceId, spanId.slice(0, 8))

const ownMark = (traceId: string, random: string) => {
  const mark = hash('sha256', `sluice ${traceId} ${random}`, 'hex').slice(0, 8)
  // A span's id must not be zero.
  return mark === '00000000' ? '00000001' : mark
}

/**
 * The span of a request that a plugin has answered before request-log's access phase could give it one. It follows from
 * Kong's id of the request: so whoever answers by requests of its own can name it as their parent, and the log phase
 * finds the same.
 *
 * @param sent of the client, where it has sent a valid one.
 * @returns undefined where Kong gives no id that can be a trace's.
 */
export function answeredSpan(
  requestId: string | undefined,
  sent: TraceContext | undefined,
): TraceContext | undefined {
  if (requestId === undefined || !/^(?!0+$)[0-9a-f]{32}$/.test(requestId)) return undefined
  return {
    traceId: sent?.traceId ?? requestId,
    spanId: nonZero(hash('sha256', `sluice answered ${requestId}`, 'hex').slice(0, 16)),
    flags: sent?.flags ?? SAMPLED,
  }
}

/** A new trace, recorded with the given probability. */
export function beginTrace(share: number, randomHex: RandomHex): Pick<TraceContext, 'traceId' | 'flags'> {
  const traceId = nonZero(randomHex(16))
  // As TraceIdRatioBased of OpenTelemetry: by the id, so that all who decide by it decide alike.
  const isRecorded = Number.parseInt(traceId.slice(-8), 16) < share * 2 ** 32
  return { traceId, flags: isRecorded ? SAMPLED : 0 }
}

const nonZero = (id: string) => (/^0+$/.test(id) ? `${id.slice(1)}1` : id)
