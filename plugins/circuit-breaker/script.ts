import { readFileSync } from 'node:fs'
import type {
  ScriptOutcome,
  ScriptReply,
  StoredHash,
  StoredValue,
  StoreScript,
} from '../../plugin-server/sdk.ts'
import {
  acquire,
  advance,
  type BreakerState,
  type Cause,
  type DatedReport,
  outranks,
  type Phase,
  type Policy,
  type ProbeResult,
  type Report,
  report,
  type Step,
  settle,
  type Totals,
  type Transition,
  totalsOf,
} from './breaker.ts'
import { AUTO, type Mode, type ModeSetting } from './mode.ts'

/** What a node asks of the breaker that all nodes share. */
export type Operation =
  | { readonly op: 'report'; readonly seen: Report }
  | { readonly op: 'acquire'; readonly token: string }
  | {
      readonly op: 'settle'
      readonly token: string
      readonly generation: number
      readonly result: ProbeResult
    }
  | { readonly op: 'read' }
  | { readonly op: 'mode' }

/** What a node last knew: it stands where it outranks what is stored. */
export interface Known {
  readonly phase: Phase
  readonly generation: number
  readonly attempt: number
  readonly remainingMs: number
  readonly cause: Cause | undefined
}

/** The state after an operation, with times relative to now, so that clocks need not agree. */
export interface Snapshot extends Known {
  readonly elapsedMs: number
  readonly leases: number
  readonly succeeded: number
  readonly failed: number
  readonly totals: Totals
  readonly mode: ModeSetting
  /** Whether the probe that was asked for may go. */
  readonly granted: boolean
  readonly lost: number
  /** What this operation brought about. */
  readonly transitions: readonly Transition[]
  /** The store's clock, milliseconds since the epoch. */
  readonly atMs: number
}

const RESULTS: Readonly<Record<ProbeResult, number>> = { failure: 0, success: 1, none: 2 }
const HOUR_MS = 3_600_000
/** Positions in the arguments; `breaker.lua` lists their names. */
const AT = { known: 15, mode: 20, operation: 25 } as const

/** The arguments of the script, in the order that `breaker.lua` lists. */
export function encodeCall(
  operation: Operation,
  node: string,
  policy: Policy,
  known: Known,
  mode: ModeSetting,
  draw: number,
): (string | number)[] {
  const args: (string | number)[] = [
    operation.op,
    node,
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
  ]
  if (operation.op === 'report') {
    const { generation, calls, failures, slow, connectionFailures } = operation.seen
    args.push(generation, calls, failures, slow, connectionFailures)
  } else if (operation.op === 'acquire') args.push(operation.token)
  else if (operation.op === 'settle')
    args.push(operation.token, operation.generation, RESULTS[operation.result])
  return args
}

function policyOf(args: readonly StoredValue[]): Policy {
  const n = (at: number) => Number(args[at])
  return {
    failureRate: n(3),
    slowCallRate: n(4),
    minimumCalls: n(5),
    connectionFailures: n(6),
    quorumNodes: n(7),
    openMs: n(8),
    maxOpenMs: n(9),
    openJitter: n(10),
    permits: n(11),
    probeMs: n(12),
    recoveryMs: n(13),
    liveMs: n(14),
  }
}

const whole = (hash: Readonly<StoredHash>, field: string): number => Number(hash.get(field) ?? 0)

function decodeHash(hash: Readonly<StoredHash>): BreakerState {
  const leases = new Map<string, number>()
  const reports = new Map<string, DatedReport>()
  for (const [field, value] of hash) {
    if (field.startsWith('lease:')) leases.set(field.slice(6), Number(value))
    else if (field.startsWith('node:')) {
      const [generation, atMs, calls, failures, slow, connectionFailures] = String(value)
        .split(' ')
        .map(Number)
      reports.set(field.slice(5), {
        generation: generation!,
        atMs: atMs!,
        calls: calls!,
        failures: failures!,
        slow: slow!,
        connectionFailures: connectionFailures!,
      })
    }
  }
  return {
    phase: (hash.get('phase') ?? 'closed') as Phase,
    generation: whole(hash, 'generation'),
    attempt: whole(hash, 'attempt'),
    sinceMs: whole(hash, 'since'),
    untilMs: whole(hash, 'until'),
    cause: (hash.get('cause') || undefined) as Cause | undefined,
    leases,
    succeeded: whole(hash, 'succeeded'),
    failed: whole(hash, 'failed'),
    reports,
  }
}

function encodeHash(hash: StoredHash, state: BreakerState, mode: StoredMode): void {
  hash.clear()
  hash.set('phase', state.phase)
  hash.set('generation', String(state.generation))
  hash.set('attempt', String(state.attempt))
  hash.set('since', String(state.sinceMs))
  hash.set('until', String(state.untilMs))
  hash.set('cause', state.cause ?? '')
  hash.set('succeeded', String(state.succeeded))
  hash.set('failed', String(state.failed))
  for (const [token, untilMs] of state.leases) hash.set(`lease:${token}`, String(untilMs))
  for (const [node, r] of state.reports)
    hash.set(
      `node:${node}`,
      [r.generation, r.atMs, r.calls, r.failures, r.slow, r.connectionFailures].join(' '),
    )
  if (mode.sequence === 0) return
  hash.set('mode_sequence', String(mode.sequence))
  hash.set('mode', mode.mode)
  hash.set('mode_until', String(mode.untilMs))
  hash.set('mode_actor', mode.actor)
  hash.set('mode_reason', mode.reason)
}

interface StoredMode extends Omit<ModeSetting, 'remainingMs'> {
  readonly untilMs: number
}

function nextMode(hash: Readonly<StoredHash>, args: readonly StoredValue[], nowMs: number): StoredMode {
  const stored: StoredMode = {
    sequence: whole(hash, 'mode_sequence'),
    mode: (hash.get('mode') ?? 'auto') as Mode,
    untilMs: whole(hash, 'mode_until'),
    actor: String(hash.get('mode_actor') ?? ''),
    reason: String(hash.get('mode_reason') ?? ''),
  }
  const sequence = args[0] === 'mode' ? Math.max(stored.sequence + 1, nowMs) : Number(args[AT.mode])
  const remainingMs = Number(args[AT.mode + 2])
  const mode: StoredMode =
    sequence > stored.sequence
      ? {
          sequence,
          mode: String(args[AT.mode + 1]) as Mode,
          untilMs: remainingMs > 0 ? nowMs + remainingMs : 0,
          actor: String(args[AT.mode + 3]),
          reason: String(args[AT.mode + 4]),
        }
      : stored
  return mode.mode !== 'auto' && mode.untilMs > 0 && nowMs >= mode.untilMs ? { ...mode, mode: 'auto' } : mode
}

function adoptKnown(state: BreakerState, args: readonly StoredValue[], nowMs: number): BreakerState {
  const phase = String(args[AT.known]) as Phase
  const generation = Number(args[AT.known + 1])
  if (!outranks({ phase, generation }, state)) return state
  const timed = phase === 'open' || phase === 'recovering'
  return {
    ...state,
    phase,
    generation,
    attempt: Number(args[AT.known + 2]),
    sinceMs: nowMs,
    untilMs: timed ? nowMs + Number(args[AT.known + 3]) : 0,
    cause: (args[AT.known + 4] || undefined) as Cause | undefined,
    leases: new Map(),
    succeeded: 0,
    failed: 0,
  }
}

function operate(
  state: BreakerState,
  policy: Policy,
  args: readonly StoredValue[],
  nowMs: number,
): Step & { readonly granted?: boolean } {
  const draw = Number(args[2])
  const [a, b, c, d, e] = args.slice(AT.operation)
  switch (args[0]) {
    case 'report': {
      const seen = {
        generation: Number(a),
        calls: Number(b),
        failures: Number(c),
        slow: Number(d),
        connectionFailures: Number(e),
      }
      return report(state, policy, String(args[1]), seen, nowMs, draw)
    }
    case 'acquire':
      return acquire(state, policy, String(a), nowMs, draw)
    case 'settle': {
      const result = Number(c) === 1 ? 'success' : Number(c) === 0 ? 'failure' : 'none'
      return settle(state, policy, String(a), Number(b), result, nowMs, draw)
    }
    default:
      return advance(state, policy, nowMs, draw)
  }
}

function apply(hash: StoredHash, args: readonly StoredValue[], nowMicros: number): ScriptOutcome {
  const nowMs = Math.floor(nowMicros / 1000)
  const policy = policyOf(args)
  const mode = nextMode(hash, args, nowMs)
  const step = operate(adoptKnown(decodeHash(hash), args, nowMs), policy, args, nowMs)
  const { state, transitions } = step
  encodeHash(hash, state, mode)
  const totals = totalsOf(state, policy)
  const forced = mode.mode !== 'auto' && mode.untilMs > 0 ? mode.untilMs - nowMs : 0
  return {
    reply: [
      state.phase,
      state.generation,
      state.attempt,
      nowMs - state.sinceMs,
      Math.max(0, state.untilMs - nowMs),
      state.cause ?? '',
      state.leases.size,
      state.succeeded,
      state.failed,
      totals.calls,
      totals.failures,
      totals.slow,
      totals.nodes,
      totals.witnesses,
      mode.sequence,
      mode.mode,
      mode.untilMs > 0 ? Math.max(0, mode.untilMs - nowMs) : 0,
      mode.actor,
      mode.reason,
      step.granted ? 1 : 0,
      transitions.filter(t => t === 'probe-lost').length,
      transitions.join(' '),
      nowMs,
    ],
    expireInMs: Math.max(0, state.untilMs - nowMs, forced) + HOUR_MS,
  }
}

function decode(reply: ScriptReply): Snapshot {
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
    mode: {
      ...AUTO,
      sequence: n(14),
      mode: t(15) as Mode,
      remainingMs: n(16),
      actor: t(17),
      reason: t(18),
    },
    granted: n(19) === 1,
    lost: n(20),
    transitions: t(21) === '' ? [] : (t(21).split(' ') as Transition[]),
    atMs: n(22),
  }
}

/** One operation on the breaker that all nodes share, and the state after it. */
export const breakerScript: StoreScript<Snapshot> = {
  name: 'circuit-breaker',
  lua: readFileSync(new URL('./breaker.lua', import.meta.url), 'utf8'),
  apply,
  decode,
}

/** The key of a breaker: one hash, one slot. */
export const storeKey = (breaker: string): string => `{sluice:breaker:${breaker}}`
