import type { Limit, Stored } from './limit.ts'
import { availableAt, retryMicros } from './limiter.ts'

/** Where a decision was made. */
export type DecidedBy = 'store' | 'lease' | 'memory' | 'local' | 'open' | 'closed'

/** What was decided about one request, and how its subject stands after it. */
export interface Verdict {
  /** `unavailable`: nothing could be decided, and the tier asks for 503 then. */
  readonly outcome: 'admitted' | 'refused' | 'unavailable'
  readonly by: DecidedBy
  readonly limits: readonly Limit[]
  /** One a limit; empty while nothing is known. */
  readonly states: readonly (Stored | undefined)[]
  readonly nowMicros: number
  /** Debited already and still at hand: not in the states, but for the client to use. */
  readonly tokens: number
  /** How many nodes share the limits while each counts alone; 1 otherwise. */
  readonly sharers: number
  /** Refused: how long to wait, microseconds; undefined when waiting will not help. */
  readonly retryMicros: number | undefined
  /** Refused: places of the limits that refused. */
  readonly violated: readonly number[]
  /** Places of the shadow limits that would have refused. */
  readonly overrun: readonly number[]
}

const NONE: readonly number[] = []

/** How much of a limit is left for this client: never below zero. */
export function remainingOf(verdict: Verdict, place: number): number {
  const limit = verdict.limits[place]!
  const available = availableAt(limit, verdict.states[place], verdict.nowMicros)
  return Math.max(0, Math.floor(available / verdict.sharers) + verdict.tokens)
}

/** Limits, and what is known of them at a time. */
export type Known = Pick<Verdict, 'limits' | 'states' | 'nowMicros'>

export function admit(
  by: DecidedBy,
  { limits, states, nowMicros }: Known,
  rest: { tokens?: number; sharers?: number; overrun?: readonly number[] } = {},
): Verdict {
  const { tokens = 0, sharers = 1, overrun = NONE } = rest
  const outcome = 'admitted'
  return { outcome, by, limits, states, nowMicros, tokens, sharers, retryMicros: 0, violated: NONE, overrun }
}

/** A refusal, with the limits that caused it and the time until all of them admit this cost. */
export function refuse(
  by: DecidedBy,
  { limits, states, nowMicros }: Known,
  cost: number,
  sharers = 1,
): Verdict {
  const violated: number[] = []
  let longest: number | undefined = 0
  for (let i = 0; i < limits.length; i++) {
    const limit = limits[i]!
    if (limit.shadow || availableAt(limit, states[i], nowMicros) >= cost) continue
    violated.push(i)
    const wait = retryMicros(limit, states[i], cost, nowMicros)
    longest = wait === undefined || longest === undefined ? undefined : Math.max(longest, wait)
  }
  const outcome = 'refused'
  return {
    outcome,
    by,
    limits,
    states,
    nowMicros,
    tokens: 0,
    sharers,
    retryMicros: longest,
    violated,
    overrun: NONE,
  }
}
