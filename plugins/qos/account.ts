import { withFigures } from './figures.ts'
import type { Limit, Stored } from './limit.ts'
import { type LimitSet, overridden } from './limit-set.ts'
import { type Demand, REFUSED, take } from './limiter.ts'
import type { Request } from './request.ts'
import { NOTHING_REMEMBERED, type Remembered, type Taken } from './script.ts'
import { admit, refuse, type Verdict } from './verdict.ts'

/** A request that waits for tokens. */
export interface Waiter {
  readonly request: Request
  settle(verdict: Verdict): void
}

/** What this process knows of one subject. It outlives plugin instances, and is lost with the process. */
export interface Account {
  readonly key: string
  /** Used since it was last considered for dropping. */
  isRecent: boolean
  limitSet: LimitSet
  /** The limits in force, overrides applied. */
  limits: readonly Limit[]
  overrides: string
  /** What the store said last. */
  remembered: Remembered
  /** The count of outages when it said so. */
  outages: number
  /** Until when, and from what cost on, a request would be refused again; in the time of the store, microseconds. */
  refusedUntilMicros: number
  refusedCost: number
  /** Tokens taken ahead, and until when they may be used. */
  tokens: number
  tokensUntilMicros: number
  /** Costs asked for in this second and in the one before: nothing is taken ahead that would not be used. */
  readonly demand: { second: number; present: number; before: number }
  /** Requests that wait for tokens, while one call asks for all of them. */
  readonly waiters: Waiter[]
  isAsking: boolean
  /** When the call that is under way began; in the time of the store, microseconds. */
  askedAtMicros: number
  /** Tokens that calls asked for whose answers are late: they may be debited in the store. */
  inDoubt: number
  /** While the store is away: states of this node's share, and the cost it has admitted. */
  local: { states: States; used: number } | undefined
}

export function createAccount(key: string, limitSet: LimitSet): Account {
  return {
    key,
    isRecent: false,
    limitSet,
    limits: limitSet.limits,
    overrides: '',
    remembered: NOTHING_REMEMBERED,
    outages: 0,
    refusedUntilMicros: 0,
    refusedCost: 0,
    tokens: 0,
    tokensUntilMicros: 0,
    demand: { second: 0, present: 0, before: 0 },
    waiters: [],
    isAsking: false,
    askedAtMicros: 0,
    inDoubt: 0,
    local: undefined,
  }
}

type States = readonly (Stored | undefined)[]

const withTheirFigures = (limits: readonly Limit[], states: States): States =>
  limits.map((limit, i) => {
    const state = states[i]
    return state === undefined ? undefined : withFigures(limit, state)
  })

/** Follows a change of the limits: another tier, another configuration, a new calendar period. */
export function useLimitSet(account: Account, limitSet: LimitSet): void {
  const { limitSet: before, limits, remembered, local } = account
  if (before === limitSet) return
  account.limitSet = limitSet
  if (before.text === limitSet.text) return
  const follow = (states: States) => {
    const counted = withTheirFigures(limits, states)
    return limitSet.fields.map(field => counted[before.fields.indexOf(field)])
  }
  account.remembered = { generation: remembered.generation, states: follow(remembered.states) }
  if (local) account.local = { states: follow(local.states), used: local.used }
  account.limits = limitSet.limits
  account.overrides = ''
  account.refusedUntilMicros = 0
  // They were debited from other limits; what is lost admits less, never more.
  account.tokens = 0
}

export function noteDemand({ demand }: Account, cost: number, nowMicros: number): void {
  const second = Math.floor(nowMicros / 1_000_000)
  if (second !== demand.second) {
    demand.before = second === demand.second + 1 ? demand.present : 0
    demand.second = second
    demand.present = 0
  }
  demand.present += cost
}

/** Takes in what the store answered. */
export function learn(account: Account, taken: Taken, limitSet: LimitSet, outages: number): void {
  if (limitSet !== account.limitSet) return
  account.remembered = taken
  account.outages = outages
  if (taken.overrides !== account.overrides || taken.overrides !== '') {
    account.overrides = taken.overrides
    account.limits = overridden(limitSet.limits, taken.overrides, taken.nowMicros)
    // An override may end before the next call.
    const states = withTheirFigures(account.limits, taken.states)
    account.remembered = { generation: taken.generation, states }
  }
}

/** A refusal is remembered for this long at most, lest a change elsewhere go unnoticed. */
const REFUSAL_MEMORY_MICROS = 10_000_000

/**
 * Whether something lasts still that was to last so long at most. What lies further ahead than that is over: the clock
 * of the store has stepped back, or is another server's since a failover.
 */
const lasts = (untilMicros: number, now: number, longestMicros: number) =>
  untilMicros > now && untilMicros - now <= longestMicros

export const isRefusedStill = ({ refusedUntilMicros }: Account, now: number): boolean =>
  lasts(refusedUntilMicros, now, REFUSAL_MEMORY_MICROS)

/** Tokens that lie unused for this long go back. */
export const LEASE_MICROS = 1_000_000

/** Whether the tokens at hand may be used. */
export const isLeaseValid = ({ tokensUntilMicros }: Account, now: number): boolean =>
  lasts(tokensUntilMicros, now, LEASE_MICROS)

export function rememberRefusal(account: Account, verdict: Verdict, cost: number): void {
  if (verdict.retryMicros === undefined) return
  account.refusedUntilMicros = verdict.nowMicros + Math.min(verdict.retryMicros, REFUSAL_MEMORY_MICROS)
  account.refusedCost = cost
}

/**
 * Decides on this node's share while the store is away: each request weighs as many times its cost as there are
 * nodes, on the states that the store told last. So the share is L/N, and the change of hands grants no new burst.
 */
export function decideLocally(account: Account, cost: number, sharers: number, nowMicros: number): Verdict {
  const { limits } = account
  const states = account.local?.states ?? account.remembered.states
  const capacity = Math.min(
    ...limits.filter(l => !l.shadow).map(l => (l.kind === 'gcra' ? l.burst : l.requests)),
  )
  const weighed = Math.min(cost * sharers, Math.max(capacity, cost))
  const demand: Demand = { cost: weighed, wanted: weighed, ahead: 0, reserve: 0 }
  const { granted, states: after, overrun } = take(limits, states, demand, nowMicros)
  if (granted === REFUSED) return refuse('local', { limits, states, nowMicros }, weighed, sharers)
  account.local = { states: after, used: (account.local?.used ?? 0) + cost }
  return admit('local', { limits, states: after, nowMicros }, { sharers, overrun })
}
