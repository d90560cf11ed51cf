import type { Plugin } from '../../entities/entities.ts'
import type { Exchange } from '../proxy/exchange.ts'
import { routedPath } from '../router/path.ts'
import { definePlugin } from './builtin.ts'
import { PERIOD_SECONDS, PERIODS, type Period, periodStart, WindowCounters } from './rate-windows.ts'

type Limits = Readonly<Record<Period, number | null>>

interface Config extends Limits {
  readonly limit_by: 'consumer' | 'credential' | 'ip' | 'service' | 'header' | 'path'
  readonly header_name: string | null
  readonly path: string | null
  readonly policy: 'local' | 'cluster' | 'redis'
  readonly hide_client_headers: boolean
  readonly error_code: number
  readonly error_message: string
}

interface Usage {
  readonly period: Period
  readonly limit: number
  /** Before this request. */
  readonly remaining: number
}

export const rateLimiting = definePlugin<Config>({
  name: 'rate-limiting',
  priority: 910,
  start({ now, logger }) {
    const counters = new WindowCounters()
    return {
      configure(config, entity) {
        if (config.policy !== 'local')
          logger.warn(
            { plugin: 'rate-limiting', id: entity.id },
            `the policy ${config.policy} counts in this process only, as local does`,
          )
        return { access: exchange => limit(exchange, { config, entity, counters, nowMs: now() }) }
      },
    }
  },
})

interface Limiting {
  readonly config: Config
  readonly entity: Plugin
  readonly counters: WindowCounters
  readonly nowMs: number
}

function limit(exchange: Exchange, { config, entity, counters, nowMs }: Limiting): void {
  const subject = `${entity.route?.id}:${entity.service?.id}:${identifierOf(exchange, config)}`
  const usages = PERIODS.flatMap(period => {
    const limit = config[period]
    return limit === null ? [] : [{ period, limit, remaining: limit - counters.get(subject, period, nowMs) }]
  })
  const exceeded = usages.findLast(({ remaining }) => remaining <= 0)?.period
  if (!config.hide_client_headers) setHeaders(exchange, usages, exceeded, nowMs)
  if (exceeded !== undefined) exchange.respondError(config.error_code, config.error_message)
  else for (const { period } of usages) counters.add(subject, period, nowMs, 1)
}

/** What the limit counts by; the client's address where the request has nothing of that kind. */
function identifierOf(exchange: Exchange, { limit_by, header_name, path }: Config): string {
  const { consumer, credential, service, headers, clientIp } = exchange
  const credentialId = credential?.id as string | undefined
  switch (limit_by) {
    case 'service':
      return service?.id ?? clientIp
    case 'consumer':
      return consumer?.id ?? credentialId ?? clientIp
    case 'credential':
      return credentialId ?? clientIp
    case 'header':
      return headers.get(header_name ?? '') ?? clientIp
    case 'path':
      return routedPath(exchange.requestUri) === path ? path : clientIp
    default:
      return clientIp
  }
}

/** One pair of fields for each window, and those of the IETF draft for the one that is nearest to its end. */
function setHeaders(
  { responseHeaders }: Exchange,
  usages: readonly Usage[],
  exceeded: Period | undefined,
  nowMs: number,
): void {
  let tightest: { readonly period: Period; readonly limit: number; readonly left: number } | undefined
  for (const { period, limit, remaining } of usages) {
    // A request that is refused for one window does not count in the others.
    const counts = exceeded === undefined || exceeded === period
    const left = Math.max(0, remaining - (counts ? 1 : 0))
    if (!tightest || left <= tightest.left) tightest = { period, limit, left }
    const name = period.charAt(0).toUpperCase() + period.slice(1)
    responseHeaders.set(`X-RateLimit-Limit-${name}`, String(limit))
    responseHeaders.set(`X-RateLimit-Remaining-${name}`, String(left))
  }
  if (!tightest) return
  const { period, limit, left } = tightest
  const passed = Math.floor((Math.floor(nowMs / 1_000) * 1_000 - periodStart(period, nowMs)) / 1_000)
  const reset = String(Math.max(1, PERIOD_SECONDS[period] - passed))
  responseHeaders.set('RateLimit-Limit', String(limit))
  responseHeaders.set('RateLimit-Remaining', String(left))
  responseHeaders.set('RateLimit-Reset', reset)
  if (exceeded !== undefined) responseHeaders.set('Retry-After', reset)
}
