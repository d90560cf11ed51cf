import {
  acquire,
  advance,
  type BreakerState,
  closedState,
  type Moment,
  type ProbeKind,
  type ProbeRequest,
  rampShare,
  report,
  type SettledProbe,
  type Step,
  settle,
  type Transition,
} from './breaker.ts'
import type { Call } from './classify.ts'
import type { WindowShape } from './config.ts'
import { ownCause, type Report } from './evidence.ts'
import { AUTO, type Mode, type ModeSetting } from './mode.ts'
import type { Policy } from './policy.ts'
import type { Known, Snapshot } from './script.ts'
import { CountWindow, TimeWindow, type Window } from './window.ts'

/**
 * One breaker as one node sees it. Two machines decide together:
 *
 * - `shared`, what the cluster says. It runs in the store, and this is a copy; while the store is away (`alone`) the
 *   copy goes on by itself, with this node's part of the permits.
 * - `own`, what this node alone has seen. It decides while `shared` is closed, so that a node which cannot reach the
 *   upstream stops without waiting for the others, and without stopping them.
 *
 * Times are the node's monotonic milliseconds, but for `sinceWallMs`, which is compared with what Kong logs.
 */
export interface NodeBreaker {
  readonly key: string
  policy: Policy
  window: Window
  shape: WindowShape
  shared: BreakerState
  own: BreakerState
  alone: boolean
  /** Processes that live, this one too, as last heard: they share the permits while the store is away. */
  processes: number
  /** Whether any node has lately reported failures or slow calls. */
  hasTrouble: boolean
  mode: ModeSetting
  /** When the mode ends; 0 for never. */
  modeUntilMs: number
  /**
   * When the generation that decides now began, in milliseconds since the epoch: earlier requests do not count. 0 as
   * long as nothing has ever changed: the request that makes a breaker has begun before it, and counts.
   */
  sinceWallMs: number
  /** Calls in a row that got no answer. */
  connectionFailures: number
  /** What made `own` open; reported to the cluster while it is. */
  evidence: Report | undefined
  /** Part of an admission that the ramp has saved up. */
  credit: number
  /** No permit of a kind is asked for before this time. */
  deniedUntilMs: Readonly<Record<ProbeKind, number>>
  /** How far this node had come with a half-open generation by itself, should it be alone again in the same one. */
  aloneState: BreakerState | undefined
  /** Permits that the store has given to this node in this generation, and their ends. */
  held: Readonly<Record<ProbeKind, Map<string, number>>> | undefined
}

/** When a step happens, by the node's clocks. */
export interface NodeMoment extends Moment {
  readonly wallMs: number
}

/** Whose machine a probe belongs to. */
export type Layer = 'shared' | 'own'

export interface Change {
  readonly layer: Layer
  readonly transitions: readonly Transition[]
}

export type Admission = 'pass' | 'reject' | 'probe'

const NOTHING: readonly Transition[] = []
const NOT_DENIED: NodeBreaker['deniedUntilMs'] = { request: 0, stream: 0 }

export function createNodeBreaker(key: string, policy: Policy, shape: WindowShape): NodeBreaker {
  return {
    key,
    policy,
    shape,
    window: createWindow(shape),
    shared: closedState(),
    own: closedState(),
    alone: false,
    processes: 1,
    hasTrouble: false,
    mode: AUTO,
    modeUntilMs: 0,
    sinceWallMs: 0,
    connectionFailures: 0,
    evidence: undefined,
    credit: 0,
    deniedUntilMs: NOT_DENIED,
    aloneState: undefined,
    held: undefined,
  }
}

const createWindow = (shape: WindowShape): Window =>
  shape.type === 'time' ? new TimeWindow(shape.windowMs, shape.buckets) : new CountWindow(shape.calls)

/** Takes a changed configuration. The window starts anew only where its form has changed. */
export function reconfigure(breaker: NodeBreaker, policy: Policy, shape: WindowShape): void {
  breaker.policy = policy
  if (JSON.stringify(shape) === JSON.stringify(breaker.shape)) return
  breaker.shape = shape
  breaker.window = createWindow(shape)
}

/** The machine that decides: the cluster's, or, while that one is closed, the node's own. */
export const deciding = (breaker: NodeBreaker): BreakerState =>
  breaker.shared.phase === 'closed' ? breaker.own : breaker.shared
export const decidingLayer = (breaker: NodeBreaker): Layer =>
  breaker.shared.phase === 'closed' ? 'own' : 'shared'

export function modeNow(breaker: NodeBreaker, nowMs: number): Mode {
  return breaker.modeUntilMs > 0 && nowMs >= breaker.modeUntilMs ? 'auto' : breaker.mode.mode
}

/** Closed, and no operator has ever ordered anything: true for nearly every request. */
export const passesAll = (breaker: NodeBreaker): boolean =>
  breaker.shared.phase === 'closed' && breaker.own.phase === 'closed' && breaker.mode.sequence === 0

/** Whether a request may pass, must not, or may if a permit for a probe can be had. */
export function admit(breaker: NodeBreaker, nowMs: number): Admission {
  const mode = breaker.mode.sequence === 0 ? 'auto' : modeNow(breaker, nowMs)
  if (mode !== 'auto') {
    if (mode === 'forced-open') return 'reject'
    if (mode !== 'metrics-only') return 'pass'
  }
  const state = deciding(breaker)
  switch (state.phase) {
    case 'closed':
      return 'pass'
    case 'open':
      return nowMs < state.untilMs || isDenied(breaker, nowMs) ? 'reject' : 'probe'
    case 'half-open':
      return isDenied(breaker, nowMs) ? 'reject' : 'probe'
    case 'recovering':
      return takeFromRamp(breaker, rampShare(state, breaker.policy, nowMs))
  }
}

const isDenied = ({ deniedUntilMs: { request, stream } }: NodeBreaker, nowMs: number): boolean =>
  nowMs < request && nowMs < stream

/** Spreads the admitted share evenly, without chance: each request adds the share, each admission takes one. */
function takeFromRamp(breaker: NodeBreaker, share: number): Admission {
  if (share >= 1) return 'pass'
  breaker.credit += share
  if (breaker.credit < 1) return 'reject'
  breaker.credit -= 1
  return 'pass'
}

/** How long a rejected client should wait, milliseconds. */
export function retryAfterMs(breaker: NodeBreaker, nowMs: number): number {
  if (modeNow(breaker, nowMs) === 'forced-open')
    return breaker.modeUntilMs > 0 ? breaker.modeUntilMs - nowMs : 60_000
  const state = deciding(breaker)
  return state.phase === 'open' ? Math.max(0, state.untilMs - nowMs) : 0
}

/** What this node has to tell the cluster. */
export function seenBy(breaker: NodeBreaker, nowMs: number): Report {
  if (breaker.evidence && breaker.own.phase !== 'closed' && breaker.own.phase !== 'recovering')
    return breaker.evidence
  breaker.window.expire(nowMs)
  const { calls, failures, slow } = breaker.window
  return {
    generation: breaker.shared.generation,
    calls,
    failures,
    slow,
    connectionFailures: breaker.connectionFailures,
  }
}

/**
 * Counts the result of a request that was no probe.
 *
 * @returns whether what this node has seen is enough to open: then `trip` is to be called.
 */
export function count(breaker: NodeBreaker, call: Call, slow: boolean, nowMs: number): boolean {
  const { phase } = deciding(breaker)
  if (call.startedAtMs < breaker.sinceWallMs || (phase !== 'closed' && phase !== 'recovering')) return false
  const failed = call.outcome !== 'success'
  breaker.window.add(failed, slow, nowMs)
  breaker.connectionFailures = call.outcome === 'unreachable' ? breaker.connectionFailures + 1 : 0
  return (failed || slow) && ownCause(phase, seenBy(breaker, nowMs), breaker.policy) !== undefined
}

/** Opens what this node may open by itself; undefined where only the cluster can. */
export function trip(breaker: NodeBreaker, now: NodeMoment): Change | undefined {
  const layer = decidingLayer(breaker)
  if (layer === 'shared' && !breaker.alone) return undefined
  const seen = seenBy(breaker, now.nowMs)
  const own = { ...seen, generation: breaker[layer].generation }
  const step = report(breaker[layer], breaker.policy, { node: SELF, seen: own, peers: 1 }, now)
  if (layer === 'own') breaker.evidence = seen
  return take(breaker, layer, step, now.wallMs)
}

const SELF = 'self'

/** A permit from a machine that runs on this node. */
export function acquireHere(
  breaker: NodeBreaker,
  probe: ProbeRequest,
  now: NodeMoment,
): { readonly granted: boolean; readonly generation: number; readonly change: Change } {
  const layer = decidingLayer(breaker)
  const step = acquire(breaker[layer], policyHere(breaker, layer), probe, now)
  const change = take(breaker, layer, step, now.wallMs)
  return { granted: step.granted, generation: step.state.generation, change }
}

export function settleHere(
  breaker: NodeBreaker,
  layer: Layer,
  settled: SettledProbe,
  now: NodeMoment,
): Change {
  return take(breaker, layer, settle(breaker[layer], policyHere(breaker, layer), settled, now), now.wallMs)
}

/** Lets time pass for the machines that run on this node. */
export function advanceHere(breaker: NodeBreaker, now: NodeMoment): readonly Change[] {
  // The wall clock was set back: no request could otherwise count until it has caught up.
  if (now.wallMs < breaker.sinceWallMs) breaker.sinceWallMs = now.wallMs
  const layers: readonly Layer[] = breaker.alone ? ['own', 'shared'] : ['own']
  return layers
    .map(layer => take(breaker, layer, advance(breaker[layer], policyHere(breaker, layer), now), now.wallMs))
    .filter(change => change.transitions.length > 0)
}

/** Notes a permit that the store has given. */
export function hold(breaker: NodeBreaker, { token, kind }: ProbeRequest, nowMs: number): void {
  breaker.held ??= { request: new Map(), stream: new Map() }
  breaker.held[kind].set(token, nowMs + breaker.policy.probeMs)
}

/** Notes that a permit is given back. */
export function release(breaker: NodeBreaker, token: string): void {
  breaker.held?.request.delete(token)
  breaker.held?.stream.delete(token)
}

/** The store does not answer: the copy of the shared machine goes on by itself. It never closes for that reason. */
export function goAlone(breaker: NodeBreaker): void {
  if (breaker.alone) return
  breaker.alone = true
  const { shared, aloneState, held } = breaker
  if (shared.phase !== 'half-open') return
  // Results that the store has are unknown here: only what this node has under way or has found out is carried on.
  const known = aloneState?.generation === shared.generation ? aloneState : undefined
  const late = known?.late ?? new Map<string, number>()
  breaker.shared = {
    ...shared,
    leases: new Map([
      ...(known?.leases ?? []),
      ...[...(held?.request ?? [])].filter(([token]) => !late.has(token)),
    ]),
    streams: new Map([...(known?.streams ?? []), ...(held?.stream ?? [])]),
    late,
    succeeded: known?.succeeded ?? 0,
    failed: known?.failed ?? 0,
  }
}

/**
 * Takes what the store says.
 *
 * @returns false for an answer that is older than what is known.
 */
export function adopt(breaker: NodeBreaker, snapshot: Snapshot, nowMs: number, wallMs: number): boolean {
  if (snapshot.generation < breaker.shared.generation) return false
  const before = deciding(breaker)
  if (breaker.alone && breaker.shared.phase === 'half-open') breaker.aloneState = breaker.shared
  const knewNothing = breaker.shared.generation === 0 && breaker.own.generation === 0
  const isNew = snapshot.generation !== breaker.shared.generation || snapshot.phase !== breaker.shared.phase
  breaker.shared = {
    ...closedState(snapshot.generation, nowMs - snapshot.elapsedMs),
    phase: snapshot.phase,
    attempt: snapshot.attempt,
    untilMs: snapshot.remainingMs > 0 || isTimed(snapshot) ? nowMs + snapshot.remainingMs : 0,
    cause: snapshot.cause,
  }
  breaker.alone = false
  breaker.hasTrouble = snapshot.totals.failures > 0 || snapshot.totals.slow > 0
  if (snapshot.mode.sequence >= breaker.mode.sequence) {
    breaker.mode = snapshot.mode
    breaker.modeUntilMs = snapshot.mode.remainingMs > 0 ? nowMs + snapshot.mode.remainingMs : 0
  }
  if (!isNew) return true
  breaker.held = undefined
  // The cluster's verdict takes the place of the node's own.
  if (snapshot.phase !== 'closed' && breaker.own.phase !== 'closed')
    breaker.own = closedState(breaker.own.generation + 1, nowMs)
  if (deciding(breaker) !== before) beginGeneration(breaker, wallMs)
  // A process that has just started hears of a generation that may have begun long before.
  if (knewNothing) breaker.sinceWallMs = wallMs - snapshot.elapsedMs
  return true
}

const isTimed = ({ phase }: Snapshot): boolean => phase === 'open' || phase === 'recovering'

/** This node's copy of the shared state, as it is reported to the store. */
export function knownBy(breaker: NodeBreaker, nowMs: number): Known {
  const { phase, generation, attempt, untilMs, cause } = breaker.shared
  return { phase, generation, attempt, remainingMs: Math.max(0, untilMs - nowMs), cause }
}

/** This node's part of the permits while nobody can share them out; a single probe at the least. */
function policyHere(breaker: NodeBreaker, layer: Layer): Policy {
  if (layer === 'own') return breaker.policy
  return { ...breaker.policy, permits: Math.max(1, Math.floor(breaker.policy.permits / breaker.processes)) }
}

function take(breaker: NodeBreaker, layer: Layer, step: Step, wallMs: number): Change {
  const changed = step.state.generation !== breaker[layer].generation
  breaker[layer] = step.state
  if (changed) {
    if (layer === 'own' && step.state.phase === 'closed') breaker.evidence = undefined
    if (layer === decidingLayer(breaker) || step.state.phase === 'closed') beginGeneration(breaker, wallMs)
  }
  return { layer, transitions: changed || step.transitions.length > 0 ? step.transitions : NOTHING }
}

function beginGeneration(breaker: NodeBreaker, wallMs: number): void {
  breaker.sinceWallMs = wallMs
  breaker.window.clear()
  breaker.connectionFailures = 0
  breaker.credit = 0
  breaker.deniedUntilMs = NOT_DENIED
}
