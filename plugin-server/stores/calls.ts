import type { Clock } from '../../foundation/clock.ts'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'
import type { BoundCounter, BoundHistogram } from '../../foundation/metrics.ts'
import type { Timers } from '../../foundation/timers.ts'
import { Availability } from './availability.ts'
import type { CallFaults } from './call-faults.ts'
import type { Link, LinkChange } from './link.ts'
import { Patience } from './patience.ts'

export interface CallsOptions {
  readonly link: Link
  /** How long a call may wait, milliseconds. */
  readonly deadlineMs: number
  /** Whether a call waits, within its deadline, for a connection that is being made. */
  readonly awaitsConnection: boolean
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Logger
  readonly metrics: CallMetrics
  readonly faults: CallFaults
}

export interface CallMetrics {
  readonly outcomes: Readonly<Record<'ok' | 'late' | 'refused' | 'not_tried', BoundCounter>>
  readonly seconds: BoundHistogram
}

const PROBE = "return redis.call('SET', KEYS[1], '1', 'PX', 10000)"

/** Calls to Redis that have one deadline, and the servers that are known not to keep it. */
export class Calls {
  readonly #options: CallsOptions
  readonly #patience: Patience
  readonly #servers = new Map<string, Availability>()
  readonly #listeners = new Set<(available: boolean) => void>()
  #down = 0
  #reason: string | undefined
  #wasAvailable = false

  constructor(options: CallsOptions) {
    this.#options = options
    this.#patience = new Patience(options.deadlineMs, options.clock, options.timers)
    options.link.onChange(change => this.#whenLinked(change))
  }

  get deadlineMs(): number {
    return this.#options.deadlineMs
  }

  get available(): boolean {
    return this.#options.link.isConnected && this.#down === 0
  }

  /** Why not all of Redis can be used, in one sentence. */
  get problem(): string | undefined {
    if (this.available) return undefined
    return this.#options.link.problem ?? this.#reason ?? 'no connection to Redis yet'
  }

  canReach(key: string): boolean {
    return this.#isLinked && this.#serverOf(key).up
  }

  onAvailability(hear: (available: boolean) => void): () => void {
    this.#listeners.add(hear)
    return () => this.#listeners.delete(hear)
  }

  /**
   * Sends one command under the deadline and the breaker of the server that holds the key.
   *
   * @param onLate is given the answer that is on its way still; it may never come.
   */
  run<Reply>(
    key: string,
    what: string,
    send: () => Promise<Reply>,
    onLate?: (answer: Promise<Reply>) => void,
  ): Promise<Reply> {
    const { clock, metrics, link, deadlineMs, faults } = this.#options
    const server = this.#serverOf(key)
    if (!this.#isLinked || !server.up) {
      metrics.outcomes.not_tried.add()
      return Promise.reject(
        unavailable(what, link.isConnected ? 'it did not answer the last probe' : 'no connection'),
      )
    }
    const startedMs = clock.monotonic()
    return new Promise((resolve, reject) => {
      const waiter = this.#patience.wait(() => {
        metrics.outcomes.late.add()
        server.late(`${what} took longer than ${deadlineMs} ms`, clock.monotonic())
        reject(
          new SluiceError('SLUICE_STORE_TIMEOUT', `Redis did not answer ${what} within ${deadlineMs} ms`),
        )
        onLate?.(answer)
      })
      const answer = link.isConnected
        ? send()
        : link.connected().then(() => {
            if (waiter.isSettled) throw new Error('nobody waits for it any more')
            return send()
          })
      answer.then(
        reply => {
          if (waiter.isSettled) return
          waiter.isSettled = true
          const nowMs = clock.monotonic()
          metrics.outcomes.ok.add()
          metrics.seconds.observe((nowMs - startedMs) / 1000)
          server.answered(nowMs)
          resolve(reply)
        },
        (error: unknown) => {
          if (waiter.isSettled) return
          waiter.isSettled = true
          metrics.outcomes.refused.add()
          if (!isFailureOfServer(error)) faults.add(what, key, error)
          else if (link.isConnected) server.fail(messageOf(error))
          reject(unavailable(what, messageOf(error), error))
        },
      )
    })
  }

  close(): void {
    for (const server of this.#servers.values()) server.close()
    this.#listeners.clear()
    this.#patience.close()
  }

  /** There is a connection, or one to wait for. */
  get #isLinked(): boolean {
    const { link, awaitsConnection } = this.#options
    return link.isConnected || (awaitsConnection && link.isTrying)
  }

  /** The breaker of the server that holds the key. */
  #serverOf(key: string): Availability {
    const name = this.#options.link.serverOf(key)
    const known = this.#servers.get(name)
    if (known) return known
    const server = new Availability(true, {
      probe: () => this.#probe(key),
      onChange: (available, reason) => this.#whenChanged(name, available, reason),
      deadlineMs: this.#options.deadlineMs,
      timers: this.#options.timers,
    })
    this.#servers.set(name, server)
    return server
  }

  /** A script that writes: a server that is full, read-only or still loading answers PING all the same. */
  #probe(key: string): Promise<unknown> {
    const probeKey = `{${key.match(/\{(.+?)\}/)?.[1] ?? key}}:probe`
    const answer = this.#options.link.evaluate(PROBE, probeKey, [])
    return new Promise((resolve, reject) => {
      const waiter = this.#patience.wait(() =>
        reject(new SluiceError('SLUICE_STORE_TIMEOUT', 'Redis did not answer a probe in time')),
      )
      answer.then(resolve, reject).finally(() => {
        waiter.isSettled = true
      })
    })
  }

  #whenLinked(change: LinkChange): void {
    if (change === 'connected') for (const server of this.#servers.values()) server.hint()
    this.#announce()
  }

  #whenChanged(server: string, available: boolean, reason: string): void {
    const { log, deadlineMs } = this.#options
    this.#down += available ? -1 : 1
    this.#reason = this.#down > 0 ? `Redis does not serve: ${reason}` : undefined
    if (available) log.info({ server, deadlineMs }, 'Redis answers again')
    else log.warn({ server, deadlineMs, reason }, 'Redis unavailable: plugins decide without it')
    this.#announce()
  }

  #announce(): void {
    const now = this.available
    if (now === this.#wasAvailable) return
    this.#wasAvailable = now
    for (const hear of this.#listeners) hear(now)
  }
}

function unavailable(what: string, reason: string, cause?: unknown): SluiceError {
  return new SluiceError('SLUICE_STORE_UNAVAILABLE', `${what} could not be run in Redis: ${reason}`, {
    cause,
  })
}

/** Refusals that say that the server cannot serve now; any other one is the fault of the call alone. */
const SERVER_REFUSALS =
  /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|MISCONF|OOM|NOREPLICAS|NOAUTH|WRONGPASS|NOPERM|BUSY|TRYAGAIN)\b/

function isFailureOfServer(error: unknown): boolean {
  const isReply = error instanceof Error && error.name === 'ReplyError'
  return !isReply || SERVER_REFUSALS.test(messageOf(error))
}
