import type { AccessKong } from '../../sdk/sdk.ts'
import type { Fields } from './fields.ts'
import type { Limit } from './limit.ts'
import type { Verdict } from './verdict.ts'

export type ErrorFormat = 'problem' | 'kong'

/** Why a request is rejected, in the words of both formats. */
export interface Refusal {
  readonly status: 429 | 503
  /** What Kong would say. */
  readonly message: string
  /** Problem details (RFC 9457), as JSON. */
  readonly problem: string
}

/** Problem types of draft-ietf-httpapi-ratelimit-headers, section 5. */
const QUOTA_EXCEEDED = 'https://iana.org/assignments/http-problem-types#quota-exceeded'
const REDUCED_CAPACITY = 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity'

/** By the list of limits, which lives as long as its configuration or its override, and by what is violated of it. */
const known = new WeakMap<readonly Limit[], Map<string, Refusal>>()

/** Of a request that is not admitted. */
export function refusalOf({ outcome, limits, violated, retryMicros }: Verdict): Refusal {
  if (outcome === 'unavailable') return UNAVAILABLE
  let refusals = known.get(limits)
  if (!refusals) {
    refusals = new Map()
    known.set(limits, refusals)
  }
  const canWait = retryMicros !== undefined
  const which = `${canWait} ${violated}`
  let refusal = refusals.get(which)
  if (!refusal) {
    const names = violated.map(place => limits[place]!.name)
    refusal = quotaExceeded(names, canWait)
    refusals.set(which, refusal)
  }
  return refusal
}

function quotaExceeded(violated: readonly string[], canWait: boolean): Refusal {
  return refusal(429, 'API rate limit exceeded', {
    type: QUOTA_EXCEEDED,
    title: 'Too many requests',
    detail: canWait
      ? // The same text each time, for Kong's sake: see JITTER_STEPS in fields.ts.
        'The limit is used up. Retry-After says when to try again.'
      : 'The cost of this request is more than its limit can ever admit.',
    'violated-policies': violated,
  })
}

/** A request while nothing can be decided, and the tier asks to be closed then. */
const UNAVAILABLE = reducedCapacity(
  'Rate limits can not be checked',
  'The limits of this client can not be checked for the moment. Try again shortly.',
)

/** A request that the upstream could not bear now. */
export const SHED: Readonly<Record<'overload' | 'concurrency', Refusal>> = {
  overload: reducedCapacity(
    'The service is overloaded',
    'The service behind this gateway has as many requests as it can serve. Try again shortly.',
  ),
  concurrency: reducedCapacity(
    'Too many requests at once',
    'This client has as many requests in flight as it may have. Wait for one of them.',
  ),
}

function reducedCapacity(title: string, detail: string): Refusal {
  return refusal(503, 'Service temporarily unavailable', { type: REDUCED_CAPACITY, title, detail })
}

function refusal(
  status: 429 | 503,
  message: string,
  { type, title, ...rest }: Readonly<Record<string, unknown>>,
): Refusal {
  return { status, message, problem: JSON.stringify({ type, title, status, ...rest }) }
}

/**
 * Ends the request; throws to leave the handler, or rejects where Kong has to be asked first.
 *
 * @param fields of the answer; those of its body are added to them. Not merged with others in a literal, which takes
 * V8 as long as deciding the request.
 */
export function reject(
  kong: AccessKong,
  { status, message, problem }: Refusal,
  format: ErrorFormat,
  fields: Fields,
): Promise<never> {
  if (format === 'kong') return rejectAsKong(kong, status, message, fields)
  fields['Content-Type'] = 'application/problem+json'
  return kong.response.exit(status, problem, fields)
}

/**
 * Kong puts the request's id into its own bodies only in `kong.response.error`, which ProtoBuf:1 does not have, so that
 * it is asked for here.
 */
async function rejectAsKong(
  kong: AccessKong,
  status: number,
  message: string,
  fields: Fields,
): Promise<never> {
  fields['Content-Type'] = 'application/json; charset=utf-8'
  return kong.response.exit(status, JSON.stringify({ message, request_id: await kong.requestId() }), fields)
}
