import type { AccessKong } from '../../plugin-server/sdk.ts'
import { MARK } from './classify.ts'
import type { Settings } from './config.ts'

/** Answers a request that may not reach its upstream: 503 with problem details (RFC 9457), or the fallback. */
export function respond(
  kong: AccessKong,
  fallback: Settings['fallback'],
  name: string,
  retryAfterMs: number,
): void {
  if (fallback !== undefined && 'upstream' in fallback) {
    const { scheme, host, port, path } = fallback.upstream
    kong.log.setSerializeValue(MARK, 'fallback')
    kong.service.request.setScheme(scheme)
    kong.service.setTarget(host, port)
    if (path !== undefined) kong.service.request.setPath(path)
    return
  }
  kong.log.setSerializeValue(MARK, fallback === undefined ? 'rejected' : 'fallback')
  if (fallback !== undefined) {
    const { status, body, content_type } = fallback.static
    kong.response.exit(status, body, { 'content-type': content_type })
  }
  const seconds = Math.max(1, Math.ceil(retryAfterMs / 1000))
  const problem = {
    type: 'about:blank',
    title: 'Service Unavailable',
    status: 503,
    detail: `The circuit breaker of ${name} is open: the upstream has failed lately.`,
    retry_after: seconds,
  }
  kong.response.exit(503, JSON.stringify(problem), {
    'content-type': 'application/problem+json',
    'retry-after': seconds,
  })
}
