import { type AccessKong, requestIdOf } from '../../plugin-server/sdk.ts'
import type { Verdict } from './verdict.ts'

export type ErrorFormat = 'problem' | 'kong'

/** Why a request is rejected, in the words of both formats. */
export interface Refusal {
  readonly status: 429 | 503
  /** What Kong would say. */
  readonly message: string
  /** Problem details (RFC 9457), besides the status. */
  readonly problem: Readonly<Record<string, unknown>>
}

/** Problem types of draft-ietf-httpapi-ratelimit-headers, section 5. */
const QUOTA_EXCEEDED = 'https://iana.org/assignments/http-problem-types#quota-exceeded'
const REDUCED_CAPACITY = 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity'

/** A request that is over its limits. */
export function refusalOf(verdict: Verdict, retrySeconds: number | undefined): Refusal {
  const violated = verdict.violated.map(place => verdict.limits[place]!.name)
  return {
    status: 429,
    message: 'API rate limit exceeded',
    problem: {
      type: QUOTA_EXCEEDED,
      title: 'Too many requests',
      detail:
        retrySeconds === undefined
          ? 'The cost of this request is more than its limit can ever admit.'
          : // The same text each time, for Kong's sake: see JITTER_STEPS in fields.ts.
            'The limit is used up. Retry-After says when to try again.',
      'violated-policies': violated,
    },
  }
}

/** A request while nothing can be decided, and the tier asks to be closed then. */
export const UNAVAILABLE = reducedCapacity(
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
  return {
    status: 503,
    message: 'Service temporarily unavailable',
    problem: { type: REDUCED_CAPACITY, title, detail },
  }
}

/**
 * Ends the request. Kong puts the request's id into its own bodies only in `kong.response.error`, which ProtoBuf:1
 * does not have, so that in Kong's format it is asked for here.
 */
export async function reject(
  kong: AccessKong,
  { status, message, problem }: Refusal,
  format: ErrorFormat,
  headers: Readonly<Record<string, string | number>>,
): Promise<never> {
  if (format === 'kong')
    return kong.response.exit(status, JSON.stringify({ message, request_id: await requestIdOf(kong) }), {
      'Content-Type': 'application/json; charset=utf-8',
      ...headers,
    })
  const { type, title, ...rest } = problem
  return kong.response.exit(status, JSON.stringify({ type, title, status, ...rest }), {
    'Content-Type': 'application/problem+json',
    ...headers,
  })
}
