import { SluiceError } from '../../sdk/sdk.ts'
import { type ComposedConfig, type Config, type LimitConfig, MAX_PER_SECONDS } from './config.ts'
import { capacityOf, type Limit } from './limit.ts'
import { createLimitSet, type LimitSet } from './limit-set.ts'
import { isTimeZone, type PeriodUnit, periodBounds } from './periods.ts'
import { createNetworks, type Networks } from './sources.ts'
import { parseSubject, type SubjectPart } from './subject.ts'

export type OnStoreError = 'local' | 'open' | 'closed'

export interface Tier {
  readonly name: string
  readonly priority: number
  readonly concurrency: number | undefined
  readonly onStoreError: OnStoreError
  /** The limits as they stand now: those of the calendar change with the periods. */
  limitSet(nowMs: number): LimitSet
}

/** A configuration that has been checked and made ready for requests. */
export interface Policy {
  readonly config: Config
  readonly tiers: ReadonlyMap<string, Tier>
  readonly defaultTier: Tier
  readonly subject: readonly SubjectPart[]
  /** Whether a decision depends on who the consumer is; else Kong is asked for an event only. */
  readonly needsConsumer: boolean
  readonly anonymous: ReadonlySet<string>
  readonly trusted: Networks
  /** Costs by upper-case method. */
  readonly costs: ReadonlyMap<string, number>
}

/**
 * Checks what a schema cannot say, and compiles the rest.
 *
 * @throws SluiceError SLUICE_PLUGIN_CONFIG that names every contradiction by its field.
 */
export function createPolicy(config: Config | ComposedConfig): Policy {
  const problems: string[] = []
  const tiers = new Map<string, Tier>()
  for (const [name, tier] of Object.entries(config.tiers)) {
    const path = `config.tiers.${name}`
    problems.push(...tier.limits.flatMap((limit, i) => limitProblems(limit, `${path}.limits[${i + 1}]`)))
    problems.push(
      ...duplicates(tier.limits.map(limit => limit.name)).map(
        n => `${path}.limits: two limits are named ${n}`,
      ),
    )
    const smallest = Math.min(...tier.limits.filter(l => !l.shadow).map(l => l.burst ?? l.requests))
    if (config.cost.default > smallest)
      problems.push(
        `config.cost.default: ${config.cost.default} is more than tier ${name} can ever admit (${smallest})`,
      )
    const { priority, on_store_error: onStoreError } = tier
    const { concurrency } = tier as { concurrency?: number }
    tiers.set(name, { name, priority, concurrency, onStoreError, limitSet: followPeriods(tier.limits) })
  }
  const defaultTier = tiers.get(config.default_tier)
  if (!defaultTier)
    problems.push(`config.default_tier: there is no tier ${JSON.stringify(config.default_tier)}`)
  problems.push(...tierByProblems(config, tiers), ...costProblems(config), ...overloadProblems(config))

  const subject: SubjectPart[] = []
  for (const [i, text] of config.limit_by.entries()) {
    const part = parseSubject(text)
    if (part) subject.push(part)
    else problems.push(`config.limit_by[${i + 1}]: ${JSON.stringify(text)} is none of ${SUBJECTS}`)
  }
  const trusted = createNetworks(config.trusted_sources)
  for (const wrong of trusted.wrong)
    problems.push(`config.trusted_sources: ${JSON.stringify(wrong)} is no address or network`)
  if (problems.length > 0 || !defaultTier)
    throw new SluiceError('SLUICE_PLUGIN_CONFIG', problems.join('; '), { details: { problems } })
  return {
    config,
    tiers,
    defaultTier,
    subject,
    needsConsumer: tiers.size > 1 || subject.some(({ by }) => by === 'consumer' || by === 'credential'),
    trusted,
    anonymous: new Set(config.anonymous_consumers),
    costs: new Map(
      Object.entries(config.cost.methods ?? {}).map(([method, cost]) => [method.toUpperCase(), cost]),
    ),
  }
}

const SUBJECTS = 'consumer, credential, ip, header:<name>, path, service, route'
/** RFC 9110, section 5.6.2. */
export const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** T is counted in quarters of a microsecond; above this rate its rounding would be felt. */
const MAX_PER_SECOND = 1_000_000

function limitProblems(limit: LimitConfig, path: string): string[] {
  const problems: string[] = []
  const { algorithm, per, period, burst, requests } = limit
  if (algorithm === 'calendar') {
    if (!period) problems.push(`${path}.period: a calendar limit needs day, week or month`)
    if (per !== undefined) problems.push(`${path}.per: a calendar limit has a period instead`)
    if (!isTimeZone(limit.time_zone))
      problems.push(`${path}.time_zone: ${JSON.stringify(limit.time_zone)} is not known`)
  } else {
    if (per === undefined) problems.push(`${path}.per: a ${algorithm} limit needs its window in seconds`)
    if (period !== undefined) problems.push(`${path}.period: is for algorithm calendar only`)
    if (per !== undefined && requests / per > MAX_PER_SECOND)
      problems.push(`${path}.requests: more than ${MAX_PER_SECOND} a second can't be counted`)
  }
  if (burst !== undefined && algorithm !== 'gcra') problems.push(`${path}.burst: is for algorithm gcra only`)
  if (burst !== undefined && per !== undefined && (burst / requests) * per > MAX_PER_SECONDS)
    problems.push(`${path}.burst: would take longer than a year to fill again`)
  return problems
}

function tierByProblems(
  { tier_by: by, trusted_sources: trusted }: Config,
  tiers: ReadonlyMap<string, Tier>,
): string[] {
  if (!by) return []
  const problems = Object.entries(by.map)
    .filter(([, tier]) => !tiers.has(tier))
    .map(([value, tier]) => `config.tier_by.map.${value}: there is no tier ${JSON.stringify(tier)}`)
  if (by.source !== 'header') return problems
  if (!by.header || !TOKEN.test(by.header))
    problems.push('config.tier_by.header: source header needs the name of a header')
  if (trusted.length === 0)
    problems.push(
      'config.trusted_sources: tier_by a header needs those who may set it; any client could choose its tier',
    )
  return problems
}

function overloadProblems(config: Config | ComposedConfig): string[] {
  const overload = 'overload' in config ? config.overload : undefined
  if (!overload) return []
  const { min_limit: min, initial_limit: initial, max_limit: max } = overload
  if (min <= initial && initial <= max) return []
  return ['config.overload: needs min_limit <= initial_limit <= max_limit']
}

function costProblems({ cost, trusted_sources: trusted }: Config): string[] {
  const problems = Object.keys(cost.methods ?? {})
    .filter(method => !TOKEN.test(method))
    .map(method => `config.cost.methods: ${JSON.stringify(method)} is no method`)
  if (cost.header === undefined) return problems
  if (!TOKEN.test(cost.header))
    problems.push(`config.cost.header: ${JSON.stringify(cost.header)} is no name of a header`)
  if (trusted.length === 0)
    problems.push(
      'config.trusted_sources: cost by a header needs those who may set it; any client could choose its cost',
    )
  return problems
}

function duplicates(names: readonly string[]): string[] {
  return [...new Set(names.filter((name, i) => names.indexOf(name) !== i))]
}

/** Makes limit sets; a new one only when a calendar period has ended. */
function followPeriods(limits: readonly LimitConfig[]): (nowMs: number) => LimitSet {
  let limitSet: LimitSet | undefined
  let untilMs = Number.NEGATIVE_INFINITY
  let sinceMs = Number.POSITIVE_INFINITY
  return nowMs => {
    if (limitSet && nowMs < untilMs && nowMs >= sinceMs) return limitSet
    const made = limits.map(limit => createLimit(limit, nowMs))
    sinceMs = Math.max(
      Number.NEGATIVE_INFINITY,
      ...made.map(l => (l.kind === 'calendar' ? l.bounds[1] / 1000 : Number.NEGATIVE_INFINITY)),
    )
    untilMs = Math.min(
      Number.POSITIVE_INFINITY,
      ...made.map(l => (l.kind === 'calendar' ? l.bounds[2] / 1000 : Number.POSITIVE_INFINITY)),
    )
    limitSet = createLimitSet(made)
    return limitSet
  }
}

function createLimit(limit: LimitConfig, nowMs: number): Limit {
  const { name, requests, shadow } = limit
  if (limit.algorithm === 'calendar') {
    const bounds = periodBounds(limit.period as PeriodUnit, limit.time_zone, nowMs)
    const [a, b, c, d] = bounds
    return { kind: 'calendar', name, requests, shadow, bounds: [a * 1000, b * 1000, c * 1000, d * 1000] }
  }
  const perMicros = Math.round(limit.per! * 1_000_000)
  if (limit.algorithm === 'sliding') return { kind: 'sliding', name, requests, shadow, perMicros }
  return { kind: 'gcra', name, requests, shadow, burst: limit.burst ?? requests, perMicros }
}

/** The highest cost that all enforced limits can ever admit at once. */
export function capacityOfAll(limits: readonly Limit[]): number {
  let capacity = Number.POSITIVE_INFINITY
  for (const limit of limits) if (!limit.shadow) capacity = Math.min(capacity, capacityOf(limit))
  return capacity
}
