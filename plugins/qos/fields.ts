/**
 * The header fields that tell a client its limits: those of draft-ietf-httpapi-ratelimit-headers-10 (structured
 * fields, one item a limit), and those that Kong's own rate-limiting writes.
 */
import type { Limit } from './limit.ts'
import { resetMicros } from './limiter.ts'
import type { Verdict } from './verdict.ts'

export type Fields = Record<string, string | number>

/** What of the fields is the same for all requests under these limits. */
interface Names {
  /** `"minute";q=100;w=60`: at most q in w seconds; the field RateLimit-Policy. */
  readonly policy: string
  /** `"minute"`, as the items of the field RateLimit begin. */
  readonly quoted: readonly string[]
  /** `X-RateLimit-Limit-Minute`: Kong writes the names of its windows with a capital. */
  readonly limit: readonly string[]
  readonly remaining: readonly string[]
}

/** By the list of limits, which lives as long as its configuration or its override. */
const known = new WeakMap<readonly Limit[], Names>()

function namesOf(limits: readonly Limit[]): Names {
  const made = known.get(limits)
  if (made) return made
  const quoted = limits.map(({ name }) => `"${name}"`)
  const capital = limits.map(({ name }) => name.charAt(0).toUpperCase() + name.slice(1))
  const names = {
    policy: limits.map((limit, i) => `${quoted[i]};q=${limit.requests};w=${windowSeconds(limit)}`).join(', '),
    quoted,
    limit: capital.map(name => `X-RateLimit-Limit-${name}`),
    remaining: capital.map(name => `X-RateLimit-Remaining-${name}`),
  }
  known.set(limits, names)
  return names
}

function windowSeconds(limit: Limit): number {
  const micros = limit.kind === 'calendar' ? limit.bounds[2] - limit.bounds[1] : limit.perMicros
  return Math.max(1, Math.round(micros / 1_000_000))
}

/** @param remaining what is left of each limit. */
export function limitFields(verdict: Verdict, remaining: readonly number[], withKong: boolean): Fields {
  const { limits, states, nowMicros } = verdict
  const names = namesOf(limits)
  const fields: Fields = { 'RateLimit-Policy': names.policy, RateLimit: '' }
  let tightest = -1
  let items = ''
  for (let i = 0; i < limits.length; i++) {
    const limit = limits[i]!
    const left = remaining[i]!
    const seconds = Math.ceil(resetMicros(limit, states[i], nowMicros) / 1_000_000)
    items += `${i > 0 ? ', ' : ''}${names.quoted[i]};r=${left};t=${seconds}`
    if (!withKong) continue
    fields[names.limit[i]!] = limit.requests
    fields[names.remaining[i]!] = left
    if (tightest >= 0 && left >= remaining[tightest]!) continue
    tightest = i
    fields['RateLimit-Limit'] = limit.requests
    fields['RateLimit-Remaining'] = left
    fields['RateLimit-Reset'] = seconds
  }
  fields.RateLimit = items
  return fields
}

/**
 * In how many moments those who were refused together come back. Not in thousands: LuaJIT hashes a part of a long
 * string only, so answers that differ in a few digits collide in Kong, which took three times as long for each.
 */
const JITTER_STEPS = 64

/** Whole seconds, jittered upward only, so that nobody who obeys comes back too early. */
export function retryAfterSeconds(retryMicros: number, jitter: number, random: () => number): number {
  const share = Math.floor(random() * JITTER_STEPS) / JITTER_STEPS
  return Math.ceil((retryMicros / 1_000_000) * (1 + jitter * share))
}
