import { randomUUID } from 'node:crypto'
import type { Host } from '../../sdk/sdk.ts'
import type { Bounds } from './adaptive-limit.ts'
import type { ComposedConfig } from './config.ts'
import type { TryBounds } from './in-flight.ts'
import { type Admission, Overload, type UpstreamAnswer } from './overload.ts'
import type { Tier } from './policy.ts'

/** One event a service, tier and reason in this time. */
const REPORT_MS = 10_000
/** How long the time-outs of a service are remembered. */
const ASK_MS = 60_000
/** Adaptive limits off: only the concurrency of subjects counts. */
const UNBOUNDED: Bounds = { initialLimit: 1e9, minLimit: 1e9, maxLimit: 1e9, tolerance: 1 }

/** Where a process hears of its slots whose log events another one got; `boot` stands behind it. */
export const LEFT_CHANNEL = 'sluice:qos:left:'

type Options = ComposedConfig['overload']

/** A slot, as the log data of its request name it. */
export interface Mark {
  readonly slot: number
  /** The process that has given it. */
  readonly boot: string
  readonly service: string
}

type SheddingHost = Pick<Host, 'clock' | 'events' | 'metrics' | 'store'>

interface Sheds {
  readonly service: string
  readonly tier: string
  readonly reason: 'overload' | 'concurrency'
  count: number
}

/** What each service has in flight through this process, and what was shed for it. */
export class Shedding {
  /** Tells this process's slots from those of any other. */
  readonly boot = randomUUID().slice(0, 8)
  readonly #host: SheddingHost
  readonly #services = new Map<string, { readonly overload: Overload; readonly options: Options }>()
  readonly #bounds = new Map<string, { readonly bounds: TryBounds | undefined; readonly askedAtMs: number }>()
  readonly #sheds = new Map<string, Sheds>()
  readonly #counter
  readonly #timer: NodeJS.Timeout
  #stopHearing: (() => void) | undefined

  constructor(host: SheddingHost) {
    this.#host = host
    this.#counter = host.metrics.counter('sluice_qos_shed_total', 'requests shed', ['tier', 'reason'])
    this.#timer = setInterval(() => this.flush(), REPORT_MS)
    this.#timer.unref()
  }

  enter(
    service: string,
    options: Options,
    { tier, subject, lifeMs }: { readonly tier: Tier; readonly subject: string; readonly lifeMs?: number },
  ): Admission {
    this.#stopHearing ??= this.#host.store.watch(LEFT_CHANNEL + this.boot, message => this.#hear(message))
    const overload = this.#of(service, options)
    const { priority, concurrency } = tier
    const admission = overload.enter(
      { priority, subject, concurrency, ...(lifeMs !== undefined && { lifeMs }) },
      this.#host.clock.monotonic(),
    )
    if (admission.outcome === 'shed') this.#report(service, tier.name, admission.reason, overload)
    return admission
  }

  /** The service's time-outs, asked for once a minute. */
  async boundsOf(service: string, ask: () => Promise<TryBounds | undefined>): Promise<TryBounds | undefined> {
    const nowMs = this.#host.clock.monotonic()
    const known = this.#bounds.get(service)
    if (known && nowMs - known.askedAtMs < ASK_MS) return known.bounds
    const bounds = await ask()
    this.#bounds.set(service, { bounds, askedAtMs: nowMs })
    return bounds
  }

  /**
   * Gives a slot back, to the process that has given it: Kong sends a log event over any of its connections, so of
   * several workers any may get it. What is lost on the way expires there, as if Kong had lost the event.
   */
  leave(mark: Mark, answer: UpstreamAnswer): void {
    if (mark.boot === this.boot) this.#free(mark, answer)
    else this.#host.store.publish(LEFT_CHANNEL + mark.boot, JSON.stringify([mark, answer])).catch(() => {})
  }

  #free({ service, slot }: Pick<Mark, 'service' | 'slot'>, answer: UpstreamAnswer): void {
    this.#services.get(service)?.overload.leave(slot, answer, this.#host.clock.monotonic())
  }

  /** What is no such message frees no slot. */
  #hear(message: string): void {
    try {
      const [mark, answer] = JSON.parse(message) as [Mark, UpstreamAnswer | null]
      this.#free(mark, answer ?? undefined)
    } catch {}
  }

  /** Publishes what was shed since the last time. */
  flush(): void {
    for (const [key, sheds] of this.#sheds) {
      if (sheds.count === 0) this.#sheds.delete(key)
      else this.#publish(sheds)
    }
  }

  close(): void {
    clearInterval(this.#timer)
    this.#stopHearing?.()
    this.flush()
  }

  /** What was learnt about a service outlives a configuration, so new bounds go to the one that is there. */
  #of(service: string, options: Options): Overload {
    const known = this.#services.get(service)
    if (known && known.options === options) return known.overload
    const bounds = boundsOf(options)
    const overload = known?.overload ?? new Overload(bounds)
    if (known) overload.rebound(bounds)
    this.#services.set(service, { overload, options })
    return overload
  }

  #report(service: string, tier: string, reason: Sheds['reason'], overload: Overload): void {
    this.#counter.with({ tier, reason }).add()
    const key = `${service} ${tier} ${reason}`
    const known = this.#sheds.get(key)
    if (known) {
      known.count++
      return
    }
    const sheds: Sheds = { service, tier, reason, count: 1 }
    this.#sheds.set(key, sheds)
    this.#publish(sheds, overload)
  }

  #publish(sheds: Sheds, overload = this.#services.get(sheds.service)?.overload): void {
    const { service, tier, reason, count } = sheds
    sheds.count = 0
    void this.#host.events.publish({
      type: 'qos.shed.v1',
      subject: service,
      data: { service, tier, reason, count, limit: overload?.limit ?? 0, in_flight: overload?.inFlight ?? 0 },
    })
  }
}

function boundsOf(options: Options): Bounds {
  if (!options) return UNBOUNDED
  return {
    initialLimit: options.initial_limit,
    minLimit: options.min_limit,
    maxLimit: options.max_limit,
    tolerance: options.tolerance,
  }
}
