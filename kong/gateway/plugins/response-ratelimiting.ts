import type { Exchange } from '../proxy/exchange.ts'
import { definePlugin } from './builtin.ts'
import { PERIODS, type Period, WindowCounters } from './rate-windows.ts'

type Limits = Readonly<Record<Period, number | null>>

interface Config {
  readonly limits: Readonly<Record<string, Limits>>
  readonly header_name: string
  readonly limit_by: 'consumer' | 'credential' | 'ip'
  readonly policy: 'local' | 'cluster' | 'redis'
  readonly block_on_first_violation: boolean
  readonly hide_client_headers: boolean
}

interface Usage {
  readonly name: string
  readonly period: Period
  readonly limit: number
  readonly remaining: number
}

/** What the access phase found for the later ones. */
interface Counted {
  readonly subject: string
  readonly usages: readonly Usage[]
  /** What the upstream said that this request costs, by the name of the limit. */
  costs: ReadonlyMap<string, number>
}

export const responseRateLimiting = definePlugin<Config>({
  name: 'response-ratelimiting',
  priority: 900,
  start({ now, logger }) {
    const counters = new WindowCounters()
    return {
      configure(config, entity) {
        if (config.policy !== 'local')
          logger.warn(
            { plugin: 'response-ratelimiting', id: entity.id },
            `the policy ${config.policy} counts in this process only, as local does`,
          )
        const counted = new WeakMap<Exchange, Counted>()
        return {
          access(exchange) {
            const subject = `${entity.route?.id}:${entity.service?.id}:${identifierOf(exchange, config)}`
            const usages = usagesOf(config, counters, subject, now())
            const spent = usages.find(({ remaining }) => remaining === 0)
            if (config.block_on_first_violation && spent)
              exchange.respondError(429, `API rate limit exceeded for '${spent.name}'`)
            else {
              setRemaining(exchange, usages)
              counted.set(exchange, { subject, usages, costs: new Map() })
            }
          },
          headerFilter(exchange) {
            const found = counted.get(exchange)
            const costs = readCosts(exchange.responseHeaders.joined(config.header_name) ?? '', config)
            exchange.responseHeaders.delete(config.header_name)
            if (found && charge(exchange, found, costs, config)) found.costs = costs
          },
          log(exchange) {
            const { subject, costs = new Map() } = counted.get(exchange) ?? {}
            for (const [name, cost] of costs)
              for (const period of PERIODS) counters.add(`${subject}:${name}`, period, now(), cost)
          },
        }
      },
    }
  },
})

function identifierOf({ consumer, credential, clientIp }: Exchange, { limit_by }: Config): string {
  const credentialId = credential?.id as string | undefined
  if (limit_by === 'consumer') return consumer?.id ?? credentialId ?? clientIp
  return limit_by === 'credential' ? (credentialId ?? clientIp) : clientIp
}

const usagesOf = (
  { limits }: Config,
  counters: WindowCounters,
  subject: string,
  nowMs: number,
): readonly Usage[] =>
  Object.entries(limits).flatMap(([name, windows]) =>
    PERIODS.flatMap(period => {
      const limit = windows[period]
      if (limit === null || limit === undefined) return []
      return [{ name, period, limit, remaining: limit - counters.get(`${subject}:${name}`, period, nowMs) }]
    }),
  )

/** Of several windows of a limit the one with the least left counts. */
function setRemaining({ responseHeaders }: Exchange, usages: readonly Usage[]): void {
  const left = new Map<string, number>()
  for (const { name, remaining } of usages) left.set(name, Math.min(remaining, left.get(name) ?? remaining))
  for (const [name, remaining] of left)
    responseHeaders.set(`X-RateLimit-Remaining-${name}`, String(remaining))
}

/** `sms=1, mail=2`; limits that are not configured cost nothing. */
function readCosts(text: string, { limits }: Config): ReadonlyMap<string, number> {
  const costs = new Map<string, number>()
  for (const part of text.split(',')) {
    const [name = '', cost, ...more] = part.split('=').map(word => word.trim())
    if (more.length > 0 || !Object.hasOwn(limits, name)) continue
    if (cost && Number.isFinite(Number(cost))) costs.set(name, Number(cost))
  }
  return costs
}

/** @returns false when the answer is refused, since it costs more than is left */
function charge(
  exchange: Exchange,
  { usages }: Counted,
  costs: ReadonlyMap<string, number>,
  { hide_client_headers }: Config,
): boolean {
  let isExceeded = false
  for (const { name, period, limit, remaining } of usages) {
    const cost = costs.get(name) ?? 0
    if (!hide_client_headers) {
      exchange.responseHeaders.set(`X-RateLimit-Limit-${name}-${period}`, String(limit))
      exchange.responseHeaders.set(
        `X-RateLimit-Remaining-${name}-${period}`,
        String(Math.max(0, remaining - cost)),
      )
    }
    if (cost > 0 && remaining <= 0) isExceeded = true
  }
  if (isExceeded) refuse(exchange)
  return !isExceeded
}

/** Takes the place of the upstream's answer, without a body. */
function refuse(exchange: Exchange): void {
  exchange.status = 429
  exchange.exited = true
  exchange.responseHeaders.set('Content-Length', '0')
  exchange.bodyFilters.push(() => Buffer.alloc(0))
}
