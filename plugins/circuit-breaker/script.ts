import { readFileSync } from 'node:fs'
import type { ScriptList, ScriptOutcome, StoredHash, StoredValue, StoreScript } from '../../sdk/sdk.ts'
import {
  acquire,
  type BreakerState,
  outranks,
  type ProbeKind,
  type ProbeResult,
  report,
  type Step,
  settle,
  type Transition,
  withinReach,
} from './breaker.ts'
import { type Report, type Totals, totalsOf } from './evidence.ts'
import type { Mode, ModeSetting } from './mode.ts'
import type { Cause, Phase, Policy } from './policy.ts'
import { readMode, readState, type StoredMode, write } from './stored.ts'

/** What a node asks of the breaker that all nodes share. */
export type Operation =
  /** `peers`: nodes that live, with traffic or without. */
  | { readonly op: 'report'; readonly seen: Report; readonly peers: number }
  | { readonly op: 'acquire'; readonly token: string; readonly kind: ProbeKind }
  | {
      readonly op: 'settle'
      readonly token: string
      readonly generation: number
      readonly result: ProbeResult
    }
  | { readonly op: 'read' }
  /** Orders the mode of the call, whatever its sequence. */
  | { readonly op: 'mode' }

/** What a node last knew: it stands where it outranks what is stored. */
export interface Known {
  readonly phase: Phase
  readonly generation: number
  readonly attempt: number
  readonly remainingMs: number
  readonly cause: Cause | undefined
}

export interface BreakerCall {
  readonly operation: Operation
  /** `<node>/<process>`: a node that runs several processes has one voice. */
  readonly node: string
  /** What people call the service or route; empty where it is not known. */
  readonly name: string
  readonly policy: Policy
  readonly known: Known
  readonly mode: ModeSetting
  /** Uniform in [0, 1). */
  readonly draw: number
}

/** The state after an operation, with times relative to now, so that clocks need not agree. */
export interface Snapshot extends Known {
  readonly elapsedMs: number
  /** Probes that hold a permit. */
  readonly leases: number
  /** Probes that gave their permit back without a result, which may still come. */
  readonly late: number
  readonly succeeded: number
  readonly failed: number
  /** What the nodes report; where it has just opened, what it opened for. */
  readonly totals: Totals
  readonly mode: ModeSetting
  /** Whether the probe that was asked for may go. */
  readonly granted: boolean
  readonly lost: number
  /** What this operation brought about. */
  readonly transitions: readonly Transition[]
  readonly name: string
  /** How long ago a process last reported requests; undefined where none has. */
  readonly idleMs: number | undefined
  /** The store's clock, milliseconds since the epoch. */
  readonly atMs: number
}

const RESULTS: Readonly<Record<ProbeResult, number>> = { failure: 0, success: 1, none: 2 }
const HOUR_MS = 3_600_000

/** In the order that breaker.lua lists. */
function encode({ operation, node, name, policy, known, mode, draw }: BreakerCall): StoredValue[] {
  return [
    operation.op,
    node,
    name,
    draw,
    policy.failureRate,
    policy.slowCallRate,
    policy.minimumCalls,
    policy.connectionFailures,
    policy.quorumNodes,
    policy.openMs,
    policy.maxOpenMs,
    policy.openJitter,
    policy.permits,
    policy.probeMs,
    policy.recoveryMs,
    policy.liveMs,
    known.phase,
    known.generation,
    known.attempt,
    Math.round(known.remainingMs),
    known.cause ?? '',
    mode.sequence,
    mode.mode,
    Math.round(mode.remainingMs),
    mode.actor,
    mode.reason,
    ...encodeOperation(operation),
  ]
}

function encodeOperation(operation: Operation): StoredValue[] {
  switch (operation.op) {
    case 'report': {
      const { generation, calls, failures, slow, connectionFailures } = operation.seen
      return [generation, calls, failures, slow, connectionFailures, operation.peers]
    }
    case 'acquire':
      return [operation.token, operation.kind === 'stream' ? 1 : 0]
    case 'settle':
      return [operation.token, operation.generation, RESULTS[operation.result]]
    default:
      return []
  }
}

function apply(hash: StoredHash, call: BreakerCall, nowMicros: number): ScriptOutcome<Snapshot> {
  const nowMs = Math.floor(nowMicros / 1000)
  const mode = nextMode(readMode(hash), call, nowMs)
  const step = operate(adoptKnown(readState(hash), call.known, nowMs), call, nowMs)
  const { state, transitions } = step
  const name = call.name || String(hash.get('name') ?? '')
  write(hash, state, mode, name)
  const totals = step.totals ?? totalsOf(state, call.policy)
  const openMs = Math.max(0, state.untilMs - nowMs)
  const modeMs = mode.untilMs > 0 ? Math.max(0, mode.untilMs - nowMs) : 0
  return {
    result: {
      phase: state.phase,
      generation: state.generation,
      attempt: state.attempt,
      elapsedMs: Math.max(0, nowMs - state.sinceMs),
      remainingMs: openMs,
      cause: state.cause,
      leases: state.leases.size + state.streams.size,
      late: state.late.size,
      succeeded: state.succeeded,
      failed: state.failed,
      totals,
      mode: {
        sequence: mode.sequence,
        mode: mode.mode,
        remainingMs: modeMs,
        actor: mode.actor,
        reason: mode.reason,
      },
      granted: step.granted === true,
      lost: transitions.filter(t => t === 'probe-lost').length,
      transitions,
      idleMs: idleMs(state, nowMs),
      atMs: nowMs,
      name,
    },
    expireInMs: Math.max(openMs, mode.mode === 'auto' ? 0 : modeMs) + HOUR_MS,
  }
}

function idleMs({ reports }: BreakerState, nowMs: number): number | undefined {
  if (reports.size === 0) return undefined
  return Math.max(0, nowMs - Math.max(...[...reports.values()].map(r => r.atMs)))
}

function operate(
  stored: BreakerState,
  { operation, node, policy, draw }: BreakerCall,
  nowMs: number,
): Step & { readonly granted?: boolean } {
  const now = { nowMs, draw }
  // An operator who looks or orders has no policy to judge by.
  if (operation.op === 'read' || operation.op === 'mode') return { state: stored, transitions: [] }
  const state = withinReach(stored, policy, nowMs)
  switch (operation.op) {
    case 'report':
      return report(state, policy, { node, ...operation }, now)
    case 'acquire':
      return acquire(state, policy, operation, now)
    case 'settle':
      return settle(state, policy, operation, now)
  }
}

function nextMode(stored: StoredMode, { operation, mode }: BreakerCall, nowMs: number): StoredMode {
  // Later than any that a node may remember, also after Redis has lost its data.
  const sequence = operation.op === 'mode' ? Math.max(stored.sequence + 1, nowMs) : mode.sequence
  const remainingMs = Math.round(mode.remainingMs)
  const next: StoredMode =
    sequence > stored.sequence
      ? {
          sequence,
          mode: mode.mode,
          untilMs: remainingMs > 0 ? nowMs + remainingMs : 0,
          actor: mode.actor,
          reason: mode.reason,
        }
      : stored
  const isOver = next.mode !== 'auto' && next.untilMs > 0 && nowMs >= next.untilMs
  return isOver ? { ...next, mode: 'auto' } : next
}

function adoptKnown(state: BreakerState, known: Known, nowMs: number): BreakerState {
  if (!outranks(known, state)) return state
  const { phase, generation, attempt, cause } = known
  const isTimed = phase === 'open' || phase === 'recovering'
  return {
    ...state,
    phase,
    generation,
    attempt,
    cause,
    sinceMs: nowMs,
    untilMs: isTimed ? nowMs + Math.round(known.remainingMs) : 0,
    leases: new Map(),
    streams: new Map(),
    late: new Map(),
    succeeded: 0,
    failed: 0,
  }
}

function decode(reply: ScriptList): Snapshot {
  const n = (at: number) => Number(reply[at])
  const t = (at: number) => String(reply[at] ?? '')
  return {
    phase: t(0) as Phase,
    generation: n(1),
    attempt: n(2),
    elapsedMs: n(3),
    remainingMs: n(4),
    cause: (t(5) || undefined) as Cause | undefined,
    leases: n(6),
    succeeded: n(7),
    failed: n(8),
    totals: { calls: n(9), failures: n(10), slow: n(11), nodes: n(12), witnesses: n(13) },
    mode: { sequence: n(14), mode: t(15) as Mode, remainingMs: n(16), actor: t(17), reason: t(18) },
    granted: n(19) === 1,
    lost: n(20),
    transitions: t(21) === '' ? [] : (t(21).split(' ') as Transition[]),
    atMs: n(22),
    name: t(23),
    late: n(24),
    idleMs: n(25) < 0 ? undefined : n(25),
  }
}

/** One operation on the breaker that all nodes share, and the state after it. */
export const breakerScript: StoreScript<Snapshot, BreakerCall> = {
  name: 'circuit-breaker',
  lua: readFileSync(new URL('./breaker.lua', import.meta.url), 'utf8'),
  encode,
  apply,
  decode,
}

/** What every key of a breaker begins with. */
export const KEY_PREFIX = '{sluice:breaker:'

/** The key of a breaker: one hash, one slot. */
export const storeKey = (breaker: string): string => `${KEY_PREFIX}${breaker}}`
