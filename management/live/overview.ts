import { type Choice, type Figures, TierCounts, Traffic } from './figures.ts'
import { type FiguresRing, KEPT_SECONDS } from './figures-ring.ts'

export interface OverviewQuestion {
  /** How far back the sums go. */
  readonly seconds: number
  /** Of the series. */
  readonly step: number
  /** Unix seconds: only points of the series after that. */
  readonly since: number
}

/** What happened lately, from the ring of figures. @param nowMs milliseconds since the epoch */
export function overviewOf(ring: FiguresRing, { seconds, step, since }: OverviewQuestion, nowMs: number) {
  const sum = ring.between(nowMs - seconds * 1_000, nowMs)
  const { choice } = ring
  const traffic = sum.traffic(choice)
  return {
    as_of: new Date(nowMs).toISOString(),
    seconds,
    sources: ring.sources.map(({ url, reason, atMs }) => ({
      url,
      ok: reason === undefined,
      reason: reason ?? null,
      at: atMs === undefined ? null : new Date(atMs).toISOString(),
    })),
    total: shownTraffic(totalOf(traffic), seconds),
    services: [...traffic].map(([service, one]) => ({ service, ...shownTraffic(one, seconds) })),
    limits: shownLimits(sum),
    sinks: shownSinks(ring, sum, seconds),
    spool_bytes: ring.sources.reduce((bytes, source) => bytes + source.spoolBytes, 0),
    series: seriesOf(ring, { step, since, choice }, nowMs),
  }
}

function totalOf(traffic: ReadonlyMap<string, Traffic>): Traffic {
  const total = new Traffic()
  for (const one of traffic.values()) total.add(one)
  return total
}

const shownTraffic = (traffic: Traffic, seconds: number) => ({
  requests: traffic.requests,
  rate: rounded(traffic.requests / seconds),
  errors: traffic.errors,
  error_rate: traffic.requests === 0 ? 0 : rounded(traffic.errors / traffic.requests),
  client_errors: traffic.clientErrors,
  latency_ms:
    traffic.durations.count === 0
      ? null
      : { p50: quantile(traffic, 0.5), p95: quantile(traffic, 0.95), p99: quantile(traffic, 0.99) },
})

const quantile = ({ durations }: Traffic, share: number): number | null => {
  const ms = durations.quantile(share)
  return ms === undefined ? null : rounded(ms)
}

const rounded = (value: number): number => Math.round(value * 1_000) / 1_000

function shownLimits({ tiers }: Figures) {
  const sum = new TierCounts()
  for (const counts of tiers.values()) sum.add(counts)
  return {
    ...sum,
    by_tier: [...tiers]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([tier, { allowed, refused, shed }]) => ({ tier, allowed, refused, shed })),
  }
}

/** Sums over all plugin servers; of the lag the longest. */
function shownSinks({ sources }: FiguresRing, { confirmed }: Figures, seconds: number) {
  const names = new Set([...sources.flatMap(({ sinks }) => [...sinks.keys()]), ...confirmed.keys()])
  return [...names].sort().map(sink => {
    const states = sources.flatMap(({ sinks }) => sinks.get(sink) ?? [])
    return {
      sink,
      backlog_records: states.reduce((sum, { records }) => sum + records, 0),
      backlog_bytes: states.reduce((sum, { bytes }) => sum + bytes, 0),
      lag_seconds: Math.max(0, ...states.map(({ lagSeconds }) => lagSeconds)),
      confirmed_rate: rounded((confirmed.get(sink) ?? 0) / seconds),
    }
  })
}

/** Whole steps only, so that a point never changes once it was told. */
function seriesOf(
  ring: FiguresRing,
  { step, since, choice }: { readonly step: number; readonly since: number; readonly choice: Choice },
  nowMs: number,
) {
  const last = Math.floor(nowMs / 1_000 / step) * step
  const first = Math.max(Math.floor(since / step) * step, last - KEPT_SECONDS) + step
  const at: number[] = []
  const points: ReadonlyMap<string, Traffic>[] = []
  for (let end = first; end <= last; end += step) {
    at.push(end)
    points.push(ring.between((end - step) * 1_000, end * 1_000).traffic(choice))
  }
  const names = [...new Set(points.flatMap(point => [...point.keys()]))].sort()
  const none = new Traffic()
  return {
    step_seconds: step,
    at,
    services: Object.fromEntries(
      names.map(name => [name, lineOf(points.map(point => point.get(name) ?? none))]),
    ),
    total: lineOf(points.map(totalOf)),
  }
}

const lineOf = (points: readonly Traffic[]) => ({
  requests: points.map(({ requests }) => requests),
  errors: points.map(({ errors }) => errors),
  p50: points.map(point => quantile(point, 0.5)),
  p95: points.map(point => quantile(point, 0.95)),
  p99: points.map(point => quantile(point, 0.99)),
})
