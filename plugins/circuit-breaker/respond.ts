import { isIP } from 'node:net'
import type { AccessKong } from '../../sdk/sdk.ts'
import { MARK } from './classify.ts'
import type { OtherUpstream, Settings } from './config.ts'
import type { BreakerRegistry } from './registry.ts'
import type { RegistryEntry } from './registry-entry.ts'

/** A request that may not reach its upstream. */
export interface Held {
  readonly registry: BreakerRegistry
  readonly entry: RegistryEntry
  readonly fallback: Settings['fallback']
  readonly retryAfterMs: number
}

/** Answers with 503 and problem details (RFC 9457), or the fallback. */
export function respond(kong: AccessKong, held: Held): void | Promise<void> {
  const { fallback } = held
  if (fallback === undefined) return reject(kong, held)
  if ('upstream' in fallback) return sendElsewhere(kong, held, fallback.upstream)
  note(kong, held, 'fallback')
  const { status, body, content_type } = fallback.static
  kong.response.exit(status, body, { 'content-type': content_type })
}

function sendElsewhere(kong: AccessKong, held: Held, upstream: OtherUpstream): void | Promise<void> {
  if (isIP(upstream.host)) return sendTo(kong, held, upstream, upstream.host)
  return sendByName(kong, held, upstream)
}

/**
 * Kong decides by the service's own host whether there is a name to ask for, before any plugin runs
 * (`balancer_data.type` in runloop/handler.lua at 3.9.3): behind a service at an address it takes every later host for
 * an address, too, and answers 500. So the name is asked for here.
 */
async function sendByName(kong: AccessKong, held: Held, upstream: OtherUpstream): Promise<void> {
  const service = await kong.router.getService()
  if (service === undefined || !isIP(service.host)) return sendTo(kong, held, upstream, upstream.host)
  const address = await held.registry.fallbacks.addressOf(upstream.host)
  if (address === undefined) return reject(kong, held)
  sendTo(kong, held, upstream, address)
  // As Kong does it for a target by name.
  kong.service.request.setHeader('host', upstream.host)
}

function sendTo(kong: AccessKong, held: Held, { scheme, port, path }: OtherUpstream, host: string): void {
  note(kong, held, 'fallback')
  kong.service.request.setScheme(scheme)
  kong.service.setTarget(host, port)
  if (path !== undefined) kong.service.request.setPath(path)
}

function reject(kong: AccessKong, held: Held): void {
  note(kong, held, 'rejected')
  const seconds = Math.max(1, Math.ceil(held.retryAfterMs / 1000))
  const problem = {
    type: 'about:blank',
    title: 'Service Unavailable',
    status: 503,
    detail: `The circuit breaker of ${held.entry.name} is open: the upstream has failed lately.`,
    retry_after: seconds,
  }
  kong.response.exit(503, JSON.stringify(problem), {
    'content-type': 'application/problem+json',
    'retry-after': seconds,
  })
}

/** For the metrics, and for the log phase. */
function note(kong: AccessKong, { registry, entry }: Held, what: 'rejected' | 'fallback'): void {
  registry.count(entry, what)
  kong.log.setSerializeValue(MARK, what)
}
