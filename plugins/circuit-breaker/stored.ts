import type { StoredHash } from '../../sdk/sdk.ts'
import type { BreakerState } from './breaker.ts'
import type { DatedReport } from './evidence.ts'
import type { Mode, ModeSetting } from './mode.ts'
import type { Cause, Phase } from './policy.ts'

/** A mode with its end on the store's clock; 0 for none. */
export interface StoredMode extends Omit<ModeSetting, 'remainingMs'> {
  readonly untilMs: number
}

const number = (hash: Readonly<StoredHash>, field: string): number => Number(hash.get(field) ?? 0)
const text = (hash: Readonly<StoredHash>, field: string): string => String(hash.get(field) ?? '')

/** The fields of the hash are listed in breaker.lua. */
export function readState(hash: Readonly<StoredHash>): BreakerState {
  const [leases, streams, late] = [
    new Map<string, number>(),
    new Map<string, number>(),
    new Map<string, number>(),
  ]
  const reports = new Map<string, DatedReport>()
  for (const [field, value] of hash) {
    if (field.startsWith('lease:')) leases.set(field.slice(6), Number(value))
    else if (field.startsWith('stream:')) streams.set(field.slice(7), Number(value))
    else if (field.startsWith('late:')) late.set(field.slice(5), Number(value))
    else if (field.startsWith('node:')) reports.set(field.slice(5), readReport(String(value)))
  }
  return {
    phase: (text(hash, 'phase') || 'closed') as Phase,
    generation: number(hash, 'generation'),
    attempt: number(hash, 'attempt'),
    sinceMs: number(hash, 'since'),
    untilMs: number(hash, 'until'),
    cause: (text(hash, 'cause') || undefined) as Cause | undefined,
    leases,
    streams,
    late,
    succeeded: number(hash, 'succeeded'),
    failed: number(hash, 'failed'),
    reports,
  }
}

export function readMode(hash: Readonly<StoredHash>): StoredMode {
  return {
    sequence: number(hash, 'mode_sequence'),
    mode: (text(hash, 'mode') || 'auto') as Mode,
    untilMs: number(hash, 'mode_until'),
    actor: text(hash, 'mode_actor'),
    reason: text(hash, 'mode_reason'),
  }
}

export function write(hash: StoredHash, state: BreakerState, mode: StoredMode, name: string): void {
  hash.clear()
  hash.set('phase', state.phase)
  hash.set('generation', state.generation)
  hash.set('attempt', state.attempt)
  hash.set('since', state.sinceMs)
  hash.set('until', state.untilMs)
  hash.set('cause', state.cause ?? '')
  hash.set('succeeded', state.succeeded)
  hash.set('failed', state.failed)
  hash.set('name', name)
  for (const [token, untilMs] of state.leases) hash.set(`lease:${token}`, untilMs)
  for (const [token, untilMs] of state.streams) hash.set(`stream:${token}`, untilMs)
  for (const [token, sinceMs] of state.late) hash.set(`late:${token}`, sinceMs)
  for (const [node, seen] of state.reports) hash.set(`node:${node}`, writeReport(seen))
  if (mode.sequence === 0) return
  hash.set('mode_sequence', mode.sequence)
  hash.set('mode', mode.mode)
  hash.set('mode_until', mode.untilMs)
  hash.set('mode_actor', mode.actor)
  hash.set('mode_reason', mode.reason)
}

const writeReport = (r: DatedReport): string =>
  [r.generation, r.atMs, r.calls, r.failures, r.slow, r.connectionFailures].join(' ')

function readReport(text: string): DatedReport {
  const [generation = 0, atMs = 0, calls = 0, failures = 0, slow = 0, connectionFailures = 0] = text
    .split(' ')
    .map(Number)
  return { generation, atMs, calls, failures, slow, connectionFailures }
}
