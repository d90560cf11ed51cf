import type { Verdict } from './verdict.ts'

export type ErrorFormat = 'problem' | 'kong'

export interface Refusal {
  readonly status: 429 | 503
  readonly body: string
  readonly contentType: string
}

/** Problem types of draft-ietf-httpapi-ratelimit-headers, section 5. */
const QUOTA_EXCEEDED = 'https://iana.org/assignments/http-problem-types#quota-exceeded'
const REDUCED_CAPACITY = 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity'

/** The answer to a request that is over its limits: problem details (RFC 9457), or what Kong would say. */
export function refusalOf(verdict: Verdict, retrySeconds: number | undefined, format: ErrorFormat): Refusal {
  if (format === 'kong') return kong(429, 'API rate limit exceeded')
  const violated = verdict.violated.map(place => verdict.limits[place]!.name)
  return problem(429, {
    type: QUOTA_EXCEEDED,
    title: 'Too many requests',
    detail:
      retrySeconds === undefined
        ? 'The cost of this request is more than its limit can ever admit.'
        : // The same text each time, for Kong's sake: see JITTER_STEPS in fields.ts.
          'The limit is used up. Retry-After says when to try again.',
    'violated-policies': violated,
  })
}

/** The answer while nothing can be decided and the tier asks to be closed then. */
export function unavailable(format: ErrorFormat): Refusal {
  if (format === 'kong') return kong(503, 'Service temporarily unavailable')
  return problem(503, {
    type: REDUCED_CAPACITY,
    title: 'Rate limits can not be checked',
    detail: 'The limits of this client can not be checked for the moment. Try again shortly.',
  })
}

/** The answer to a request that the upstream could not bear now. */
export function shed(reason: 'overload' | 'concurrency', format: ErrorFormat): Refusal {
  if (format === 'kong') return kong(503, 'Service temporarily unavailable')
  return problem(503, {
    type: REDUCED_CAPACITY,
    title: reason === 'overload' ? 'The service is overloaded' : 'Too many requests at once',
    detail:
      reason === 'overload'
        ? 'The service behind this gateway has as many requests as it can serve. Try again shortly.'
        : 'This client has as many requests in flight as it may have. Wait for one of them.',
  })
}

function problem(status: 429 | 503, fields: Readonly<Record<string, unknown>>): Refusal {
  const { type, title, ...rest } = fields
  return {
    status,
    body: JSON.stringify({ type, title, status, ...rest }),
    contentType: 'application/problem+json',
  }
}

function kong(status: 429 | 503, message: string): Refusal {
  return { status, body: JSON.stringify({ message }), contentType: 'application/json; charset=utf-8' }
}
