import type { LimitStanding, Standing } from '../../plugins/qos/standing.ts'
import { formatDuration } from './duration.ts'
import { layOutTable } from './table.ts'

/** Each subject under a heading of its own, one line a limit. */
export function describeStandings(standings: readonly Standing[]): string {
  return standings.map(describe).join('\n')
}

function describe({ key, scope, subject, limits, changes }: Standing): string {
  const heading = `${subject ?? key} at ${scope ?? 'an unknown scope'}\n`
  const changed = changes.map(
    ({ limit, requests, burst, until }) =>
      `${limit}: changed to ${requests} requests, burst ${burst}, until ${until}\n`,
  )
  if (limits.length === 0) return [heading, 'nothing is used of any limit\n', ...changed].join('')
  const table = layOutTable(
    ['LIMIT', 'ADMITS', 'USED', 'LEFT', 'UNUSED AGAIN IN'],
    limits.map(limit => [
      limit.name,
      admits(limit),
      limit.used,
      limit.left,
      limit.resetSeconds > 0 ? formatDuration(limit.resetSeconds * 1000) : 'now',
    ]),
  )
  return [heading, table, ...changed].join('')
}

function admits({ algorithm, requests, burst, perSeconds }: LimitStanding): string {
  const per = perSeconds < 1 ? `${perSeconds * 1000}ms` : formatDuration(perSeconds * 1000)
  if (algorithm === 'calendar') return `${requests} a period of ${per}`
  return burst === undefined || burst === requests
    ? `${requests} in ${per}`
    : `${requests} in ${per}, ${burst} at once`
}
