import { readFileSync } from 'node:fs'
import type { StoredHash, StoreScript } from '../../sdk/sdk.ts'
import { withFigures } from './figures.ts'
import { intervalMicros } from './gcra.ts'
import type { Limit, Stored } from './limit.ts'
import { type LimitSet, overridden, parseOverrides } from './limit-set.ts'
import { add, type Demand, isBeyond, resetMicros, stricter, take } from './limiter.ts'

/** What a node remembers of a subject's hash: enough to bring it back when the store loses it. */
export interface Remembered {
  /** Tells one life of the hash from the next; empty while it is not known. */
  readonly generation: string
  readonly states: readonly (Stored | undefined)[]
}

export const NOTHING_REMEMBERED: Remembered = { generation: '', states: [] }

export interface TakeArguments extends Demand {
  readonly limitSet: LimitSet
  /** `add` debits the cost without asking; a negative cost gives back. */
  readonly operation: 'take' | 'add'
  readonly remembered: Remembered
  /** Honour what is remembered even where the hash seems to be the same: a replica may have missed the last writes. */
  readonly forced: boolean
}

export interface Taken extends Remembered {
  /** Tokens debited, or REFUSED. */
  readonly granted: number
  /** The clock of the store, microseconds since the epoch. */
  readonly nowMicros: number
  /** Places of the shadow limits that would have refused. */
  readonly overrun: readonly number[]
  /** Empty, or the overrides of the subject; see `overridden`. */
  readonly overrides: string
}

/** What take.lua answers. */
type Reply = readonly [
  granted: number,
  seconds: number,
  micros: number,
  generation: string,
  overrides: string,
  overrun: readonly number[],
  states: readonly Stored[],
]

/** A key outlives the use of its limits by this much. */
const EXPIRY_MARGIN_MS = 1000

/** Decides, debits, gives back and re-seeds, in Redis (take.lua) and in memory. */
export const takeScript: StoreScript<Taken, TakeArguments> = {
  name: 'qos-take',
  lua: readFileSync(new URL('./take.lua', import.meta.url), 'utf8'),

  encode({ limitSet, operation, cost, wanted, ahead, reserve, remembered, forced }) {
    let states = ''
    for (let i = 0; i < limitSet.limits.length; i++) {
      const state = remembered.states[i]
      states += typeof state === 'number' ? `,${state}` : state === undefined ? ',""' : `,[${state}]`
    }
    const head = `"${operation}",${cost},${wanted},${ahead},${reserve},"${remembered.generation}",${forced ? 1 : 0}`
    return [`[${head}${states},${limitSet.text}]`]
  },

  apply(hash, args, now) {
    const { limitSet, operation, cost, remembered } = args
    let generation = String(hash.get('b') ?? '')
    const overrides = String(hash.get('o') ?? '')
    const limits = overridden(limitSet.limits, overrides, now)
    const reseeds = isLost(generation, args)
    const known: (Stored | undefined)[] = []
    let isBeyondReach = false
    for (let i = 0; i < limits.length; i++) {
      const stored = hash.get(limitSet.fields[i]!) as Stored | undefined
      isBeyondReach ||= isBeyond(limits[i]!, stored, now)
      known.push(reseeds ? stricter(limits[i]!, stored, remembered.states[i], now) : stored)
    }
    let granted: number
    let states: readonly Stored[]
    let overrun: readonly number[] = []
    if (operation === 'take') ({ granted, states, overrun } = take(limits, known, args, now))
    else {
      // Tokens of a lost or reset key are gone: nothing to give back.
      granted = cost < 0 && remembered.generation !== generation ? 0 : cost
      states = limits.map((limit, i) => add(limit, known[i], granted, now))
    }
    if (granted > 0 || reseeds || isBeyondReach || (operation === 'add' && granted < 0)) {
      if (generation === '') {
        generation = String(now)
        hash.set('b', generation)
      }
      for (let i = 0; i < states.length; i++) keep(hash, limitSet.fields[i]!, limits[i]!, states[i]!)
    }
    return {
      result: { granted, nowMicros: now, generation, overrides, overrun, states },
      expireInMs: hash.size === 0 ? 0 : livesForMs(limits, states, overrides, now),
    }
  },

  decode(reply: string): Taken {
    const [granted, seconds, micros, generation, overrides, overrun, states] = JSON.parse(reply) as Reply
    return { granted, nowMicros: seconds * 1_000_000 + micros, generation, overrides, overrun, states }
  },
}

/** Puts a state into memory, in the place of the one there where its figures are the same. */
function keep(hash: StoredHash, field: string, limit: Limit, state: Stored): void {
  const kept = hash.get(field)
  if (limit.kind === 'gcra' && typeof state === 'number' && Array.isArray(kept)) {
    const isSame = kept[1] === intervalMicros(limit) && kept[2] === limit.burst
    if (isSame && (kept[3] ?? limit.burst) === limit.requests) {
      kept[0] = state
      return
    }
  }
  hash.set(field, withFigures(limit, state))
}

/**
 * A hash that is not the one this node last saw was lost: flushed, failed over, or expired after its last use. One
 * that an operator reset (`r…`) stays reset.
 */
function isLost(generation: string, { remembered, forced }: TakeArguments): boolean {
  if (remembered.generation === '') return false
  return remembered.generation === generation ? forced : !generation.startsWith('r')
}

function livesForMs(
  limits: TakeArguments['limitSet']['limits'],
  states: readonly Stored[],
  overrides: string,
  now: number,
): number {
  let micros = 0
  for (let i = 0; i < limits.length; i++) micros = Math.max(micros, resetMicros(limits[i]!, states[i], now))
  if (overrides !== '')
    for (const { untilMicros } of parseOverrides(overrides)) micros = Math.max(micros, untilMicros - now)
  return Math.ceil(micros / 1000) + EXPIRY_MARGIN_MS
}
