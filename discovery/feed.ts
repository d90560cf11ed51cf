import { messageOf, type SluiceError } from '../foundation/errors.ts'
import type { Logger } from '../foundation/log.ts'
import type { ConsulClient, ServiceQuery } from './consul/client.ts'
import type { Instance } from './consul/instances.ts'
import { type WatchListener, type WatchParts, watchService } from './consul/watch.ts'
import type { FeedMetrics } from './metrics.ts'
import type { UpstreamTargets } from './upstream-targets.ts'

export interface FeedParts extends WatchParts {
  readonly consul: Pick<ConsulClient, 'passing'>
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>
  readonly metrics: FeedMetrics
}

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 2_000

/** Keeps one upstream at what Consul says of its service, until it is closed; its targets stay then. */
export class Feed implements WatchListener {
  readonly query: ServiceQuery
  readonly #targets: UpstreamTargets
  readonly #parts: FeedParts
  readonly #stop = new AbortController()
  readonly #watching: Promise<void>
  /** What Consul said last; it stays when Consul is gone. */
  #instances: readonly Instance[] | undefined
  #knownAtMs: number | undefined
  /** Why Consul does not say anything now. */
  #consulProblem: string | undefined
  #kongProblem: string | undefined
  #heldLast = ''
  #isDirty = false
  #applying: Promise<void> | undefined
  #again: NodeJS.Timeout | undefined

  constructor(query: ServiceQuery, targets: UpstreamTargets, parts: FeedParts) {
    this.query = query
    this.#targets = targets
    this.#parts = parts
    this.#watching = watchService(parts.consul, query, this, { ...parts, signal: this.#stop.signal })
  }

  /** Whether Consul has answered since the start. */
  get isKnown(): boolean {
    return this.#instances !== undefined
  }

  /** What keeps the upstream from being as Consul says; one sentence each. */
  get problems(): readonly string[] {
    return [this.#consulProblem, this.#kongProblem].filter(problem => problem !== undefined)
  }

  known(instances: readonly Instance[]): void {
    if (this.#consulProblem !== undefined)
      this.#parts.log.info({ service: this.query.service }, 'Consul answers again')
    this.#consulProblem = undefined
    this.#instances = instances
    this.#knownAtMs = this.#parts.monotonic()
    this.#parts.metrics.instances(instances.length)
    this.#touch()
  }

  lost(error: SluiceError): void {
    // Once an outage, not once a try.
    if (this.#consulProblem !== error.message)
      this.#parts.log.warn(
        { service: this.query.service, code: error.code, reason: error.message },
        'Consul unavailable: the targets stay as they are',
      )
    this.#consulProblem = error.message
    this.#parts.metrics.failure('consul')
  }

  /** Compares with what Kong has now: somebody may have changed a target. */
  refresh(): void {
    if (this.#applying) return
    this.#targets.forget()
    this.#touch()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#watching
    await this.#applying
    // What was under way may have set it.
    clearTimeout(this.#again)
  }

  #touch(): void {
    this.#isDirty = true
    if (this.#instances && !this.#stop.signal.aborted)
      this.#applying ??= this.#applyAll().finally(() => {
        this.#applying = undefined
      })
  }

  async #applyAll(): Promise<void> {
    let limitMs = FIRST_PAUSE_MS
    while (this.#isDirty && !this.#stop.signal.aborted) {
      this.#isDirty = false
      try {
        await this.#apply(this.#instances ?? [])
        limitMs = FIRST_PAUSE_MS
      } catch (error) {
        this.#isDirty = true
        this.#failed(error)
        await this.#parts.wait(limitMs * (0.5 + this.#parts.random() / 2), this.#stop.signal)
        limitMs = Math.min(limitMs * 2, LONGEST_PAUSE_MS)
      }
    }
  }

  async #apply(instances: readonly Instance[]): Promise<void> {
    const { log, metrics, monotonic } = this.#parts
    const { changes, held, againAtMs } = await this.#targets.apply(instances)
    this.#kongProblem = undefined
    const upstream = this.#targets.upstream.name
    for (const { action, label } of changes) {
      metrics.changed(action)
      log.info({ upstream, service: this.query.service, action }, label)
    }
    if (changes.length > 0 && this.#knownAtMs !== undefined)
      metrics.delay((monotonic() - this.#knownAtMs) / 1_000)
    metrics.targets(this.#targets.size, held.length)
    if (held.length > 0 && held.join() !== this.#heldLast)
      log.warn(
        { upstream, service: this.query.service, targets: held, passing: instances.length },
        'targets that do not pass any more are kept for now: too many at once',
      )
    this.#heldLast = held.join()
    clearTimeout(this.#again)
    if (againAtMs !== undefined)
      this.#again = setTimeout(() => this.#touch(), Math.max(1, againAtMs - monotonic()))
  }

  #failed(error: unknown): void {
    const reason = messageOf(error)
    const upstream = this.#targets.upstream.name
    if (this.#kongProblem !== reason)
      this.#parts.log.error({ upstream, reason }, 'the targets could not be written; trying again')
    this.#kongProblem = reason
    this.#parts.metrics.failure('kong')
  }
}
