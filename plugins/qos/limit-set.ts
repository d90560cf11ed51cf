import { figuresOf } from './figures.ts'
import { fieldOf, type Limit } from './limit.ts'

/** The limits of a tier as the script takes them: made once, since their text is the larger part of a call. */
export interface LimitSet {
  readonly limits: readonly Limit[]
  readonly fields: readonly string[]
  /** The limits as ARGV[1] of take.lua has them. */
  readonly text: string
  /** Whether a limit refuses nothing: it tells request by request who would have been refused. */
  readonly hasShadow: boolean
}

export function createLimitSet(limits: readonly Limit[]): LimitSet {
  return {
    limits,
    fields: limits.map(fieldOf),
    text: JSON.stringify(limits.flatMap(placesOf)).slice(1, -1),
    hasShadow: limits.some(limit => limit.shadow),
  }
}

function placesOf(limit: Limit): unknown[] {
  const burst = limit.kind === 'gcra' ? limit.burst : 0
  const per = limit.kind === 'calendar' ? limit.bounds : limit.perMicros
  return [
    limit.kind,
    fieldOf(limit),
    limit.shadow ? 1 : 0,
    limit.requests,
    burst,
    per,
    `,${figuresOf(limit)}`,
  ]
}

/** The limits of one subject that an operator has changed for a while, as the field `o` of its hash holds them. */
export interface Override {
  readonly field: string
  readonly requests: number
  /** Of no meaning but for a GCRA limit. */
  readonly burst: number
  /** Microseconds since the epoch. */
  readonly untilMicros: number
}

export function parseOverrides(text: string): readonly Override[] {
  return [...text.matchAll(/(\S+) (\d+) (\d+) (\d+);/g)].map(([, field, requests, burst, until]) => ({
    field: field!,
    requests: Number(requests),
    burst: Number(burst),
    untilMicros: Number(until),
  }))
}

export function formatOverrides(overrides: readonly Override[]): string {
  return overrides.map(o => `${o.field} ${o.requests} ${o.burst} ${o.untilMicros};`).join('')
}

/** The limits that are in force now for a subject with these overrides. */
export function overridden(limits: readonly Limit[], text: string, now: number): readonly Limit[] {
  if (text === '') return limits
  const overrides = parseOverrides(text).filter(override => override.untilMicros > now)
  return limits.map(limit => {
    const override = overrides.findLast(o => o.field === fieldOf(limit))
    if (!override) return limit
    const { requests, burst } = override
    return limit.kind === 'gcra' ? { ...limit, requests, burst } : { ...limit, requests }
  })
}
