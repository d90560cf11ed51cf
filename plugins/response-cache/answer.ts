/** Answers from the cache. */
import type { AccessKong, HeaderMap } from '../../sdk/sdk.ts'
import type { Entry } from './entry.ts'
import { notModifiedFields } from './fields.ts'
import { isNotModified } from './request.ts'

/** Ends the request with a stored answer, or with 304 where the client has it. Never returns. */
export function respond(
  kong: AccessKong,
  request: HeaderMap,
  { entry, ageMs, cacheStatus }: { entry: Entry; ageMs: number; cacheStatus: string },
): never {
  const own = { age: String(Math.max(0, Math.floor(ageMs / 1000))), 'cache-status': cacheStatus }
  // nginx would find that out by itself, after the whole body has gone to it.
  if (entry.status === 200 && isNotModified(request, entry.headers))
    return kong.response.exit(304, '', {
      ...notModifiedFields(entry.headers),
      ...own,
      // Kong would say 0, which is the length of no answer (RFC 9110 section 8.6).
      'content-length': String(entry.body.length),
    })
  return kong.response.exit(entry.status, entry.body, { ...entry.headers, ...own })
}

/** The client takes a stored answer only, and there is none (RFC 9111 section 5.2.1.7). */
export function respondNothingStored(kong: AccessKong, cacheStatus: string): never {
  return kong.response.json(
    504,
    { type: 'about:blank', title: 'Gateway Timeout', status: 504, detail: 'No stored response.' },
    { 'content-type': 'application/problem+json', 'cache-status': cacheStatus },
  )
}
