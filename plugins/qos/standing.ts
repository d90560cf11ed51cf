/** How a subject stands: what of its limits is used and left, computed from what the store keeps of it alone. */
import type { Limit, Stored } from './limit.ts'
import { partsOf, type SubjectState } from './limit-admin.ts'
import { overridden, parseOverrides } from './limit-set.ts'
import { availableAt, resetMicros } from './limiter.ts'

export interface Standing {
  readonly key: string
  readonly scope: string | undefined
  readonly subject: string | undefined
  /** When Redis forgets the subject unless it asks again; undefined where it does not know it. */
  readonly expiresInSeconds: number | undefined
  readonly limits: readonly LimitStanding[]
  /** Changes by operators that are in force. */
  readonly changes: readonly LimitChange[]
}

export interface LimitStanding {
  readonly name: string
  readonly algorithm: Limit['kind']
  /** How much a window admits, and its length; of a calendar limit the length of the present period. */
  readonly requests: number
  readonly perSeconds: number
  /** gcra: how much it admits at once. */
  readonly burst?: number
  readonly used: number
  /** How much it would admit now. */
  readonly left: number
  /** Until nothing of it is in use any more; 0 when nothing is. */
  readonly resetSeconds: number
}

export interface LimitChange {
  readonly limit: string
  readonly requests: number
  readonly burst: number
  /** RFC 3339. */
  readonly until: string
}

export function standingOf(key: string, state: SubjectState): Standing {
  const { nowMicros, fields, expireInMs } = state
  const overrides = fields.get('o') ?? ''
  const parts = partsOf(key)
  return {
    key,
    scope: parts?.scope,
    subject: parts?.subject,
    expiresInSeconds: expireInMs === undefined ? undefined : Math.ceil(expireInMs / 1000),
    limits: [...fields].flatMap(([field, text]) => {
      const stored = text.split(',').map(Number)
      const limit = limitOf(field, stored)
      if (!limit) return []
      const [inForce = limit] = overridden([limit], overrides, nowMicros)
      return [limitStanding(inForce, stored, nowMicros)]
    }),
    changes: changesOf(overrides, nowMicros),
  }
}

/** The limit whose state this is, as it was when it was stored; undefined for other fields of the hash. */
function limitOf(field: string, [a = 0, b = 0, c = 0, d = c, e = 0]: readonly number[]): Limit | undefined {
  const common = { name: field.slice(2), shadow: false }
  switch (field.slice(0, 2)) {
    case 'g:':
      return { ...common, kind: 'gcra', requests: d, burst: c, perMicros: b * d }
    case 's:':
      return { ...common, kind: 'sliding', requests: e, perMicros: d }
    case 'c:':
      return { ...common, kind: 'calendar', requests: d, bounds: [a, a, c, c] }
  }
  return undefined
}

function limitStanding(limit: Limit, stored: Stored, now: number): LimitStanding {
  const left = Math.max(0, availableAt(limit, stored, now))
  const isGcra = limit.kind === 'gcra'
  const perMicros = limit.kind === 'calendar' ? limit.bounds[2] - limit.bounds[1] : limit.perMicros
  return {
    name: limit.name,
    algorithm: limit.kind,
    requests: limit.requests,
    perSeconds: Math.round(perMicros / 1000) / 1000,
    ...(isGcra && { burst: limit.burst }),
    used: (isGcra ? limit.burst : limit.requests) - left,
    left,
    resetSeconds: Math.ceil(resetMicros(limit, stored, now) / 1_000_000),
  }
}

/** An override is stored for each kind of limit of its name; which of them is meant nobody needs to know. */
function changesOf(overrides: string, now: number): LimitChange[] {
  const changes = new Map<string, LimitChange>()
  for (const { field, requests, burst, untilMicros } of parseOverrides(overrides)) {
    const limit = field.slice(2)
    const until = new Date(untilMicros / 1000).toISOString()
    if (untilMicros > now) changes.set(limit, { limit, requests, burst, until })
  }
  return [...changes.values()]
}
