import type { ManagedBreaker } from '../../plugins/circuit-breaker/management.ts'
import { formatDuration } from './duration.ts'
import { layOutTable } from './table.ts'

/** A table, one line a breaker. */
export function renderBreakers(breakers: readonly ManagedBreaker[]): string {
  if (breakers.length === 0) return 'no breaker has had a request yet\n'
  return layOutTable(
    ['NAME', 'STATE', 'MODE', 'CALLS', 'FAILED', 'SLOW', 'NODES', 'BREAKER'],
    breakers.map(({ key, snapshot }) => {
      const { calls, failures, slow, nodes } = snapshot.totals
      return [snapshot.name, stateOf(snapshot), modeOf(snapshot), calls, failures, slow, nodes, key]
    }),
  )
}

/** Everything about one breaker, one fact a line. */
export function describeBreaker({ key, snapshot }: ManagedBreaker): string {
  const { totals, mode, cause, phase } = snapshot
  const lines: [string, string | undefined][] = [
    ['breaker', key],
    ['name', snapshot.name || undefined],
    ['state', sinceOf(snapshot)],
    ['cause', cause],
    ['failed recoveries', snapshot.attempt > 0 ? String(snapshot.attempt) : undefined],
    [
      'probes',
      phase === 'half-open'
        ? `${snapshot.succeeded} succeeded, ${snapshot.failed} failed, ${snapshot.leases} under way, ${snapshot.late} late`
        : undefined,
    ],
    [
      'window',
      `${totals.calls} calls, ${totals.failures} failed, ${totals.slow} slow, seen by ${totals.nodes} nodes`,
    ],
    ['last used', lastUse(snapshot)],
    ['generation', String(snapshot.generation)],
    ['mode', modeOf(snapshot)],
    ['ordered by', mode.sequence > 0 ? mode.actor : undefined],
    ['reason', mode.sequence > 0 ? mode.reason : undefined],
  ]
  return lines
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name.padEnd(18)}${value}\n`)
    .join('')
}

/** Nobody knows since when a breaker has been closed that has never changed. */
const sinceOf = (snapshot: ManagedBreaker['snapshot']): string =>
  snapshot.generation === 0
    ? stateOf(snapshot)
    : `${stateOf(snapshot)}, for ${formatDuration(snapshot.elapsedMs)}`

const lastUse = ({ idleMs }: ManagedBreaker['snapshot']): string =>
  idleMs === undefined ? 'unknown' : `${formatDuration(idleMs)} ago`

function stateOf({ phase, remainingMs }: ManagedBreaker['snapshot']): string {
  if (phase === 'open')
    return remainingMs > 0 ? `open (${formatDuration(remainingMs)})` : 'open (may be probed)'
  return phase === 'recovering' ? `recovering (${formatDuration(remainingMs)})` : phase
}

function modeOf({ mode }: ManagedBreaker['snapshot']): string {
  if (mode.mode === 'auto' || mode.remainingMs === 0) return mode.mode
  return `${mode.mode} (${formatDuration(mode.remainingMs)})`
}
