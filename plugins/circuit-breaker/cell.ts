import {
  acquire,
  advance,
  type BreakerState,
  closedState,
  ownCause,
  type Policy,
  type ProbeResult,
  type Report,
  rampShare,
  report,
  type Step,
  settle,
  type Transition,
} from './breaker.ts'
import type { Call } from './classify.ts'
import type { WindowShape } from './config.ts'
import { AUTO, type Mode, type ModeSetting } from './mode.ts'
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
export interface Cell {
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
  /** What made `own` open, told to the cluster while it is. */
  evidence: Report | undefined
  /** Part of an admission that the ramp has saved up. */
  credit: number
  /** No permit is asked for before this time. */
  deniedUntilMs: number
  /** How far this node had come with a half-open generation by itself, should it be alone again in the same one. */
  aloneState: BreakerState | undefined
  /** Leases that this node holds in the store, and their ends. */
  leases: Map<string, number> | undefined
}

/** Whose machine a probe belongs to. */
export type Layer = 'shared' | 'own'

export interface Change {
  readonly layer: Layer
  readonly transitions: readonly Transition[]
}

export type Admission = 'pass' | 'reject' | 'probe'

const NOTHING: readonly Transition[] = []

export function createCell(key: string, policy: Policy, shape: WindowShape): Cell {
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
    deniedUntilMs: 0,
    aloneState: undefined,
    leases: undefined,
  }
}

const createWindow = (shape: WindowShape): Window =>
  shape.type === 'time' ? new TimeWindow(shape.windowMs, shape.buckets) : new CountWindow(shape.calls)

/** Takes a changed configuration. The window starts anew only where its form has changed. */
export function reconfigure(cell: Cell, policy: Policy, shape: WindowShape): void {
  cell.policy = policy
  if (JSON.stringify(shape) === JSON.stringify(cell.shape)) return
  cell.shape = shape
  cell.window = createWindow(shape)
}

/** The machine that decides: the cluster's, or, while that one is closed, the node's own. */
export const deciding = (cell: Cell): BreakerState =>
  cell.shared.phase === 'closed' ? cell.own : cell.shared
export const decidingLayer = (cell: Cell): Layer => (cell.shared.phase === 'closed' ? 'own' : 'shared')

export function modeNow(cell: Cell, nowMs: number): Mode {
  return cell.modeUntilMs > 0 && nowMs >= cell.modeUntilMs ? 'auto' : cell.mode.mode
}

/** Closed, and no operator has ever ordered anything: true for nearly every request. */
export const passesAll = (cell: Cell): boolean =>
  cell.shared.phase === 'closed' && cell.own.phase === 'closed' && cell.mode.sequence === 0

/** Whether a request may pass, must not, or may if a permit for a probe can be had. */
export function admit(cell: Cell, nowMs: number): Admission {
  const mode = cell.mode.sequence === 0 ? 'auto' : modeNow(cell, nowMs)
  if (mode !== 'auto') {
    if (mode === 'forced-open') return 'reject'
    if (mode !== 'metrics-only') return 'pass'
  }
  const state = deciding(cell)
  switch (state.phase) {
    case 'closed':
      return 'pass'
    case 'open':
      return nowMs < state.untilMs || nowMs < cell.deniedUntilMs ? 'reject' : 'probe'
    case 'half-open':
      return nowMs < cell.deniedUntilMs ? 'reject' : 'probe'
    case 'recovering':
      return takeFromRamp(cell, rampShare(state, cell.policy, nowMs))
  }
}

/** Spreads the admitted share evenly, without chance: each request adds the share, each admission takes one. */
function takeFromRamp(cell: Cell, share: number): Admission {
  if (share >= 1) return 'pass'
  cell.credit += share
  if (cell.credit < 1) return 'reject'
  cell.credit -= 1
  return 'pass'
}

/** How long a rejected client should wait, milliseconds. */
export function retryAfterMs(cell: Cell, nowMs: number): number {
  if (modeNow(cell, nowMs) === 'forced-open') return cell.modeUntilMs > 0 ? cell.modeUntilMs - nowMs : 60_000
  const state = deciding(cell)
  return state.phase === 'open' ? Math.max(0, state.untilMs - nowMs) : 0
}

/** What this node has to tell the cluster. */
export function seenBy(cell: Cell, nowMs: number): Report {
  if (cell.evidence && cell.own.phase !== 'closed' && cell.own.phase !== 'recovering') return cell.evidence
  cell.window.expire(nowMs)
  const { calls, failures, slow } = cell.window
  return {
    generation: cell.shared.generation,
    calls,
    failures,
    slow,
    connectionFailures: cell.connectionFailures,
  }
}

/**
 * Counts the result of a request that was no probe.
 *
 * @returns whether what this node has seen is enough to open: then `trip` is to be called.
 */
export function count(cell: Cell, call: Call, slow: boolean, nowMs: number): boolean {
  const { phase } = deciding(cell)
  if (call.startedAtMs < cell.sinceWallMs || (phase !== 'closed' && phase !== 'recovering')) return false
  const failed = call.outcome !== 'success'
  cell.window.add(failed, slow, nowMs)
  cell.connectionFailures = call.outcome === 'unreachable' ? cell.connectionFailures + 1 : 0
  return (failed || slow) && ownCause(phase, seenBy(cell, nowMs), cell.policy) !== undefined
}

/** Opens what this node may open by itself; undefined where only the cluster can. */
export function trip(cell: Cell, nowMs: number, wallMs: number, draw: number): Change | undefined {
  const layer = decidingLayer(cell)
  if (layer === 'shared' && !cell.alone) return undefined
  const seen = seenBy(cell, nowMs)
  const own = { ...seen, generation: cell[layer].generation }
  const step = report(cell[layer], cell.policy, SELF, own, 1, nowMs, draw)
  if (layer === 'own') cell.evidence = seen
  return take(cell, layer, step, wallMs)
}

const SELF = 'self'

/** A permit from a machine that runs on this node. */
export function acquireHere(
  cell: Cell,
  token: string,
  nowMs: number,
  wallMs: number,
  draw: number,
): { readonly granted: boolean; readonly generation: number; readonly change: Change } {
  const layer = decidingLayer(cell)
  const step = acquire(cell[layer], policyHere(cell, layer), token, nowMs, draw)
  const change = take(cell, layer, step, wallMs)
  return { granted: step.granted, generation: step.state.generation, change }
}

export function settleHere(
  cell: Cell,
  layer: Layer,
  token: string,
  generation: number,
  result: ProbeResult,
  nowMs: number,
  wallMs: number,
  draw: number,
): Change {
  const step = settle(cell[layer], policyHere(cell, layer), token, generation, result, nowMs, draw)
  return take(cell, layer, step, wallMs)
}

/** Lets time pass for the machines that run on this node. */
export function advanceHere(cell: Cell, nowMs: number, wallMs: number, draw: number): readonly Change[] {
  // The wall clock was set back: no request could otherwise count until it has caught up.
  if (wallMs < cell.sinceWallMs) cell.sinceWallMs = wallMs
  const changes = [take(cell, 'own', advance(cell.own, policyHere(cell, 'own'), nowMs, draw), wallMs)]
  if (cell.alone)
    changes.push(take(cell, 'shared', advance(cell.shared, policyHere(cell, 'shared'), nowMs, draw), wallMs))
  return changes.filter(change => change.transitions.length > 0)
}

/** The store does not answer: the copy of the shared machine goes on by itself. It never closes for that reason. */
export function goAlone(cell: Cell): void {
  if (cell.alone) return
  cell.alone = true
  const { shared, aloneState } = cell
  if (shared.phase !== 'half-open') return
  // Results that the store has are unknown here: only what this node has under way or has found out is carried on.
  const known = aloneState?.generation === shared.generation ? aloneState : undefined
  cell.shared = {
    ...shared,
    leases: new Map([...(known?.leases ?? []), ...(cell.leases ?? [])]),
    succeeded: known?.succeeded ?? 0,
    failed: known?.failed ?? 0,
  }
}

/**
 * Takes what the store says.
 *
 * @returns false for an answer that is older than what is known.
 */
export function adopt(cell: Cell, snapshot: Snapshot, nowMs: number, wallMs: number): boolean {
  if (snapshot.generation < cell.shared.generation) return false
  const before = deciding(cell)
  if (cell.alone && cell.shared.phase === 'half-open') cell.aloneState = cell.shared
  const knewNothing = cell.shared.generation === 0 && cell.own.generation === 0
  const isNew = snapshot.generation !== cell.shared.generation || snapshot.phase !== cell.shared.phase
  cell.shared = {
    ...closedState(snapshot.generation, nowMs - snapshot.elapsedMs),
    phase: snapshot.phase,
    attempt: snapshot.attempt,
    untilMs: snapshot.remainingMs > 0 || isTimed(snapshot) ? nowMs + snapshot.remainingMs : 0,
    cause: snapshot.cause,
  }
  cell.alone = false
  cell.hasTrouble = snapshot.totals.failures > 0 || snapshot.totals.slow > 0
  if (snapshot.mode.sequence >= cell.mode.sequence) {
    cell.mode = snapshot.mode
    cell.modeUntilMs = snapshot.mode.remainingMs > 0 ? nowMs + snapshot.mode.remainingMs : 0
  }
  if (!isNew) return true
  cell.leases = undefined
  // The cluster's verdict takes the place of the node's own.
  if (snapshot.phase !== 'closed' && cell.own.phase !== 'closed')
    cell.own = closedState(cell.own.generation + 1, nowMs)
  if (deciding(cell) !== before) beginGeneration(cell, wallMs)
  // A process that has just started hears of a generation that may have begun long before.
  if (knewNothing) cell.sinceWallMs = wallMs - snapshot.elapsedMs
  return true
}

const isTimed = ({ phase }: Snapshot): boolean => phase === 'open' || phase === 'recovering'

/** What the store is told about this node's copy. */
export function knownBy(cell: Cell, nowMs: number): Known {
  const { phase, generation, attempt, untilMs, cause } = cell.shared
  return { phase, generation, attempt, remainingMs: Math.max(0, untilMs - nowMs), cause }
}

/** This node's part of the permits while nobody can share them out; a single probe at the least. */
function policyHere(cell: Cell, layer: Layer): Policy {
  if (layer === 'own') return cell.policy
  return { ...cell.policy, permits: Math.max(1, Math.floor(cell.policy.permits / cell.processes)) }
}

function take(cell: Cell, layer: Layer, step: Step, wallMs: number): Change {
  const changed = step.state.generation !== cell[layer].generation
  cell[layer] = step.state
  if (changed) {
    if (layer === 'own' && step.state.phase === 'closed') cell.evidence = undefined
    if (layer === decidingLayer(cell) || step.state.phase === 'closed') beginGeneration(cell, wallMs)
  }
  return { layer, transitions: changed || step.transitions.length > 0 ? step.transitions : NOTHING }
}

function beginGeneration(cell: Cell, wallMs: number): void {
  cell.sinceWallMs = wallMs
  cell.window.clear()
  cell.connectionFailures = 0
  cell.credit = 0
  cell.deniedUntilMs = 0
}
