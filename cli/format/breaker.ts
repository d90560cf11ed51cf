import { SluiceError } from '../../foundation/errors.ts'
import type { ManagedBreaker } from '../../plugins/circuit-breaker/management.ts'

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const LONGEST_MS = 30 * 86_400_000

/**
 * @returns milliseconds.
 * @throws SluiceError SLUICE_CLI_USAGE for anything but a number with s, m, h or d, up to 30 days.
 */
export function parseDuration(text: string): number {
  const match = /^(\d+)([smhd])$/.exec(text)
  const ms = match ? Number(match[1]) * UNITS[match[2]!]! : 0
  if (ms <= 0 || ms > LONGEST_MS)
    throw new SluiceError(
      'SLUICE_CLI_USAGE',
      `${JSON.stringify(text)} is no time such as 90s, 15m, 2h or 7d, of 30 days at the most`,
    )
  return ms
}

/** The longest unit that still tells something: `42s`, `3m 20s`, `2h 5m`. */
export function formatDuration(ms: number): string {
  const seconds = Math.ceil(ms / 1000)
  if (seconds < 60) return `${seconds}s`
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const
  const first = parts.findIndex(([amount]) => amount > 0)
  return parts
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount}${unit}`)
    .join(' ')
}

/** A table, one line a breaker. */
export function renderBreakers(breakers: readonly ManagedBreaker[]): string {
  if (breakers.length === 0) return 'no breaker has had a request yet'
  const rows = breakers.map(({ key, snapshot }) => [
    snapshot.name || '-',
    stateOf(snapshot),
    modeOf(snapshot),
    String(snapshot.totals.calls),
    String(snapshot.totals.failures),
    String(snapshot.totals.slow),
    String(snapshot.totals.nodes),
    key,
  ])
  const table = [['NAME', 'STATE', 'MODE', 'CALLS', 'FAILED', 'SLOW', 'NODES', 'BREAKER'], ...rows]
  const widths = table[0]!.map((_, column) => Math.max(...table.map(row => row[column]!.length)))
  return table
    .map(row =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Everything about one breaker, one fact a line. */
export function describeBreaker({ key, snapshot }: ManagedBreaker): string {
  const { totals, mode, cause, phase } = snapshot
  const lines: [string, string | undefined][] = [
    ['breaker', key],
    ['name', snapshot.name || undefined],
    ['state', `${stateOf(snapshot)}, for ${formatDuration(snapshot.elapsedMs)}`],
    ['cause', cause],
    ['failed recoveries', snapshot.attempt > 0 ? String(snapshot.attempt) : undefined],
    [
      'probes',
      phase === 'half-open'
        ? `${snapshot.succeeded} succeeded, ${snapshot.failed} failed, ${snapshot.leases} under way`
        : undefined,
    ],
    [
      'window',
      `${totals.calls} calls, ${totals.failures} failed, ${totals.slow} slow, seen by ${totals.nodes} nodes`,
    ],
    ['generation', String(snapshot.generation)],
    ['mode', modeOf(snapshot)],
    ['ordered by', mode.sequence > 0 ? mode.actor : undefined],
    ['reason', mode.sequence > 0 ? mode.reason : undefined],
  ]
  return lines
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name.padEnd(18)}${value}`)
    .join('\n')
}

export function toJson({ key, snapshot }: ManagedBreaker): Readonly<Record<string, unknown>> {
  const { totals, mode } = snapshot
  return {
    breaker: key,
    name: snapshot.name || null,
    state: snapshot.phase,
    generation: snapshot.generation,
    since_ms: snapshot.elapsedMs,
    remaining_ms: snapshot.remainingMs,
    cause: snapshot.cause ?? null,
    attempt: snapshot.attempt,
    probes: { under_way: snapshot.leases, succeeded: snapshot.succeeded, failed: snapshot.failed },
    window: { calls: totals.calls, failures: totals.failures, slow: totals.slow, nodes: totals.nodes },
    mode: mode.mode,
    mode_remaining_ms: mode.mode === 'auto' ? 0 : mode.remainingMs,
    actor: mode.sequence > 0 ? mode.actor : null,
    reason: mode.sequence > 0 ? mode.reason : null,
  }
}

function stateOf({ phase, remainingMs }: ManagedBreaker['snapshot']): string {
  if (phase === 'open')
    return remainingMs > 0 ? `open (${formatDuration(remainingMs)})` : 'open (may be probed)'
  return phase === 'recovering' ? `recovering (${formatDuration(remainingMs)})` : phase
}

function modeOf({ mode }: ManagedBreaker['snapshot']): string {
  if (mode.mode === 'auto' || mode.remainingMs === 0) return mode.mode
  return `${mode.mode} (${formatDuration(mode.remainingMs)})`
}
