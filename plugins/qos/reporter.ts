import type { Host, Timers } from '../../sdk/sdk.ts'
import type { Caller } from './caller.ts'
import { capacityOf } from './limit.ts'
import type { AnnouncedChange } from './limit-admin.ts'
import { resetMicros } from './limiter.ts'
import { limitsChangedEvent } from './limits-changed.ts'
import type { Verdict } from './verdict.ts'

/** What a verdict is reported with. */
export interface Reported {
  readonly key: string
  readonly scope: string
  readonly caller: Caller
  /** True where the request was let through although it was over its limits. */
  readonly shadow: boolean
  readonly nearLimit: number
}

/** Whose events are told apart. */
type Subject = Pick<Reported, 'key' | 'nearLimit'>

interface Rejections {
  readonly subject: string
  data: Record<string, unknown>
  count: number
}

/** One event a subject in this time, whatever its clients send. */
const REPORT_MS = 10_000
/** Subjects whose events are kept apart; those beyond are counted in the metrics only. */
const MAX_SUBJECTS = 10_000

type ReportingHost = Pick<Host, 'events' | 'metrics' | 'clock'>

/** Counts decisions and publishes events, each subject's at a bounded rate. */
export class Reporter {
  readonly #host: ReportingHost
  readonly #decisions
  readonly #refusals
  readonly #rejections = new Map<string, Rejections>()
  /** Until when each is told of no more; monotonic milliseconds. */
  readonly #near = new Map<string, number>()
  readonly #stop: () => void

  constructor(host: ReportingHost, timers: Timers) {
    this.#host = host
    const { metrics } = host
    this.#decisions = metrics.counter('sluice_qos_decisions_total', 'requests decided, by where', [
      'tier',
      'outcome',
      'reason',
    ])
    this.#refusals = metrics.counter('sluice_qos_refused_total', 'requests over a limit, shadow or not', [
      'tier',
      'limit',
    ])
    this.#stop = timers.every(REPORT_MS, () => this.flush())
  }

  /** @param remaining what is left of each limit of the verdict. */
  report(verdict: Verdict, remaining: readonly number[], reported: Reported): void {
    const { tier } = reported.caller
    const isOver = verdict.outcome === 'refused'
    this.#count(tier.name, isOver && reported.shadow ? 'shadow' : verdict.outcome, verdict.by)
    for (const place of isOver ? verdict.violated : verdict.overrun)
      this.#countRefusal(tier.name, verdict.limits[place]!.name)
    if (isOver) this.#reject(verdict, verdict.violated, reported, reported.shadow)
    else if (verdict.overrun.length > 0) this.#reject(verdict, verdict.overrun, reported, true)
    this.#approach(verdict, remaining, reported)
  }

  /** Whether reporting this would publish an event, so that it is worth asking who the consumer is. */
  isNews(verdict: Verdict, remaining: readonly number[], subject: Subject): boolean {
    const isRejection = verdict.outcome === 'refused' || verdict.overrun.length > 0
    if (isRejection && this.#isFirstRejection(subject.key)) return true
    return verdict.limits.some((_, place) => this.#comesNear(verdict, remaining, place, subject))
  }

  #isFirstRejection(key: string): boolean {
    return !this.#rejections.has(key) && this.#rejections.size < MAX_SUBJECTS
  }

  /** So much of the limit is used that it is worth an event, and there was none yet. */
  #comesNear(
    verdict: Verdict,
    remaining: readonly number[],
    place: number,
    { key, nearLimit }: Subject,
  ): boolean {
    if (verdict.by === 'open' || verdict.by === 'closed') return false
    if (!isNear(verdict, remaining, place, nearLimit)) return false
    return !this.#near.has(nearName(verdict, place, key)) && this.#near.size < MAX_SUBJECTS
  }

  storeDegraded(degraded: boolean, reason: string, nodes: number): void {
    void this.#host.events.publish({
      type: 'qos.store-degraded.v1',
      subject: 'redis',
      data: { degraded, reason, nodes },
    })
  }

  /** Every node hears of it; the same change gives the same event. */
  limitsChanged(change: AnnouncedChange): void {
    void this.#host.events.publish(limitsChangedEvent(change))
  }

  /** Publishes what was counted since the last time, and forgets those who have come to rest. */
  flush(): void {
    for (const [key, rejections] of this.#rejections) {
      if (rejections.count === 0) this.#rejections.delete(key)
      else this.#publishRejections(rejections)
    }
    const now = this.#host.clock.monotonic()
    for (const [key, untilMs] of this.#near) if (untilMs <= now) this.#near.delete(key)
  }

  close(): void {
    this.#stop()
    this.flush()
  }

  #count(tier: string, outcome: string, reason: string): void {
    this.#decisions.with({ tier, outcome, reason }).add()
  }

  #countRefusal(tier: string, limit: string): void {
    this.#refusals.with({ tier, limit }).add()
  }

  #reject(verdict: Verdict, places: readonly number[], reported: Reported, shadow: boolean): void {
    const { key, caller, scope } = reported
    if (!this.#isFirstRejection(key)) {
      const known = this.#rejections.get(key)
      if (known) known.count++
      return
    }
    const { retryMicros } = verdict
    const rejections: Rejections = {
      subject: caller.subject,
      data: {
        subject: caller.subject,
        ...(caller.consumer === undefined ? {} : { consumer: caller.consumer }),
        tier: caller.tier.name,
        scope,
        limits: places.map(place => verdict.limits[place]!.name),
        shadow,
        ...(retryMicros === undefined ? {} : { retry_after_seconds: retryMicros / 1_000_000 }),
      },
      count: 1,
    }
    this.#rejections.set(key, rejections)
    this.#publishRejections(rejections)
  }

  #publishRejections(rejections: Rejections): void {
    const { subject, data, count } = rejections
    rejections.count = 0
    void this.#host.events.publish({ type: 'qos.rejected.v1', subject, data: { ...data, count } })
  }

  #approach(verdict: Verdict, remaining: readonly number[], reported: Reported): void {
    const { limits, states, nowMicros } = verdict
    for (let i = 0; i < limits.length; i++) {
      const limit = limits[i]!
      if (!this.#comesNear(verdict, remaining, i, reported)) continue
      const name = nearName(verdict, i, reported.key)
      // Every node may see it: the same window gives the same event.
      const windowMs =
        limit.kind === 'calendar'
          ? limit.bounds[1] / 1000
          : Math.floor(nowMicros / limit.perMicros) * (limit.perMicros / 1000)
      const lengthMs =
        limit.kind === 'calendar' ? resetMicros(limit, states[i], nowMicros) / 1000 : limit.perMicros / 1000
      this.#near.set(name, this.#host.clock.monotonic() + lengthMs)
      const { caller, scope } = reported
      void this.#host.events.publish({
        type: 'qos.near-limit.v1',
        subject: caller.subject,
        timeMs: Math.floor(windowMs),
        identity: `${name} ${windowMs}`,
        data: {
          subject: caller.subject,
          ...(caller.consumer === undefined ? {} : { consumer: caller.consumer }),
          tier: caller.tier.name,
          scope,
          limit: limit.name,
          requests: limit.requests,
          remaining: remaining[i]!,
        },
      })
    }
  }
}

const nearName = ({ limits }: Verdict, place: number, key: string) => `${limits[place]!.name} ${key}`

/** Whether so much of a limit is used that it is worth an event. */
function isNear(
  { limits, sharers }: Verdict,
  remaining: readonly number[],
  place: number,
  nearLimit: number,
): boolean {
  const capacity = capacityOf(limits[place]!)
  return capacity - remaining[place]! * sharers >= nearLimit * capacity
}
