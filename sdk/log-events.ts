import type { BoundCounter, Metrics } from '../foundation/metrics.ts'

type Log = Readonly<Record<string, unknown>>

/**
 * Counts what Kong delivers to a plugin's log phase, as `sluice_log_events_total`. Kong drops log events without a
 * word when its timers are used up, so the count stands beside Kong's own (`kong_http_requests_total` of its plugin
 * `prometheus`), with the same labels: a service by its name, else its host; a route by its name, else its id.
 *
 * @returns to be called once for each log event, with what `kong.log.serialize` gives
 */
export function createLogEventCounter(metrics: Metrics, plugin: string): (log: Log) => void {
  const events = metrics.counter(
    'sluice_log_events_total',
    'log events that Kong delivered, to be compared with kong_http_requests_total',
    ['plugin', 'service', 'route'],
  )
  const bound = new Map<string, Map<string, BoundCounter>>()
  return log => {
    const service = nameIn(log.service, 'host')
    const route = nameIn(log.route, 'id')
    let byRoute = bound.get(service)
    if (byRoute === undefined) {
      byRoute = new Map()
      bound.set(service, byRoute)
    }
    let counter = byRoute.get(route)
    if (counter === undefined) {
      counter = events.with({ plugin, service, route })
      byRoute.set(route, counter)
    }
    counter.add()
  }
}

function nameIn(entity: unknown, otherwise: 'host' | 'id'): string {
  if (typeof entity !== 'object' || entity === null) return ''
  const { name, [otherwise]: other } = entity as Log
  return typeof name === 'string' ? name : typeof other === 'string' ? other : ''
}
