/**
 * The header fields that tell a client its limits: those of draft-ietf-httpapi-ratelimit-headers-10 (structured
 * fields, one item a limit), and those that Kong's own rate-limiting writes.
 */
import type { Limit } from './limit.ts'
import { resetMicros } from './limiter.ts'
import type { Verdict } from './verdict.ts'

type Fields = Record<string, string | number>

/** `"minute";q=100;w=60`: at most q in w seconds. */
export function policyField(limits: readonly Limit[]): string {
  return limits.map(limit => `"${limit.name}";q=${limit.requests};w=${windowSeconds(limit)}`).join(', ')
}

function windowSeconds(limit: Limit): number {
  const micros = limit.kind === 'calendar' ? limit.bounds[2] - limit.bounds[1] : limit.perMicros
  return Math.max(1, Math.round(micros / 1_000_000))
}

/**
 * @param policy the field RateLimit-Policy, made ahead.
 * @param remaining what is left of each limit.
 */
export function limitFields(
  verdict: Verdict,
  policy: string,
  remaining: readonly number[],
  withKong: boolean,
): Fields {
  const { limits, states, nowMicros } = verdict
  const fields: Fields = { 'RateLimit-Policy': policy, RateLimit: '' }
  let tightest = -1
  let items = ''
  for (let i = 0; i < limits.length; i++) {
    const limit = limits[i]!
    const left = remaining[i]!
    const seconds = Math.ceil(resetMicros(limit, states[i], nowMicros) / 1_000_000)
    items += `${i > 0 ? ', ' : ''}"${limit.name}";r=${left};t=${seconds}`
    if (!withKong) continue
    const name = kongName(limit.name)
    fields[`X-RateLimit-Limit-${name}`] = limit.requests
    fields[`X-RateLimit-Remaining-${name}`] = left
    if (tightest >= 0 && left >= remaining[tightest]!) continue
    tightest = i
    fields['RateLimit-Limit'] = limit.requests
    fields['RateLimit-Remaining'] = left
    fields['RateLimit-Reset'] = seconds
  }
  fields.RateLimit = items
  return fields
}

/** Kong writes the names of its windows with a capital: X-RateLimit-Limit-Minute. */
function kongName(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1)
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
