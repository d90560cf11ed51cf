/**
 * How a request gets an answer that memory does not have: from Redis, from the fetch of another request here or on
 * another node, by a fetch of its own through Kong's proxy, or by going on to the service itself.
 *
 * Whoever comes first leads: it looks into Redis, and takes the lock that all nodes share. It fetches through the proxy
 * where others wait or a stale answer stands by, since then a failure is known at once; else its own request goes on,
 * and the response phase stores the answer. The fetch through the proxy stores it there, too.
 */
import { randomUUID } from 'node:crypto'
import { type LoopbackAnswer, messageOf, SluiceError } from '../../sdk/sdk.ts'
import type { Asked, ResponseCache } from './cache.ts'
import type { FillOutcome } from './channel.ts'
import type { Entry } from './entry.ts'
import type { Flight, Outcome } from './flights.ts'
import type { FillMark } from './mark.ts'
import { isError, usable } from './policy.ts'
import type { SharedFind } from './shared-level.ts'

/** Calls Kong's proxy on behalf of the request. */
export type ThroughProxy = (mark: FillMark, etag: string | undefined) => Promise<LoopbackAnswer>

export type Resolution =
  | {
      readonly kind: 'answer'
      readonly entry: Entry
      readonly how: 'redis' | 'fetched' | 'collapsed' | 'if-error'
    }
  /** The request goes on, and its answer is to be stored. */
  | { readonly kind: 'own'; readonly mark: FillMark }
  /** The request goes on. */
  | { readonly kind: 'pass' }

export interface FillRequest {
  readonly asked: Asked
  /** Name of the variant. */
  readonly name: string
  /** Of use when the service fails. */
  readonly stale: Entry | undefined
  readonly proxy: ThroughProxy
  readonly fillTimeoutMs: number
  readonly followClientMs: number
  readonly uncacheableMs: number
}

/** How often a fetch of another node is looked for, should its message be lost. */
const LOOK_MS = 100
/** A stale answer goes out without asking for so long after a failure. */
const FAILING_MS = 1000
const ROUNDS = 3

const PASS: Resolution = { kind: 'pass' }

export class Filler {
  readonly #cache: ResponseCache
  #isProxyKnownMissing = false
  #isWrongSchemeTold = false

  constructor(cache: ResponseCache) {
    this.#cache = cache
  }

  async resolve(request: FillRequest): Promise<Resolution> {
    const { flights } = this.#cache
    for (let round = 0; round < ROUNDS; round++) {
      const known = flights.get(request.name)
      if (!known) {
        const resolution = await this.#lead(request, round)
        if (resolution) return resolution
        continue
      }
      const outcome = await flights.wait(known)
      if (!outcome) return PASS
      if (outcome.kind !== 'abandoned') return this.#followed(outcome, request)
    }
    return this.#withoutAnswer(request)
  }

  /** What Redis has, without a fetch. */
  async peek(request: FillRequest): Promise<Entry | undefined> {
    const shared = await this.#look(request)
    return shared && this.#fresh(shared, request)?.entry
  }

  /** Fetches a stale answer anew; nobody waits for it. */
  async refresh(request: FillRequest): Promise<void> {
    const { flights } = this.#cache
    if (flights.get(request.name)) return
    const flight = flights.begin(request.name, randomUUID())
    try {
      const shared = await this.#look(request)
      const found = shared && this.#fresh(shared, request)
      if (found) return flight.settle(found)
      const heldMs = shared ? await this.#lock(request, flight, request.fillTimeoutMs) : 0
      if (heldMs > 0) return flight.settle({ kind: 'abandoned' })
      await this.#fetch(flight, request, this.#markOf(flight, request, shared))
    } finally {
      flight.settle({ kind: 'failed' })
    }
  }

  /** @returns undefined when another one leads, and nobody knows what became of it. */
  async #lead(request: FillRequest, round: number): Promise<Resolution | undefined> {
    const flight = this.#cache.flights.begin(request.name, randomUUID())
    try {
      return await this.#leadFlight(flight, request, round)
    } catch (error) {
      flight.settle({ kind: 'failed' })
      throw error
    }
  }

  async #leadFlight(flight: Flight, request: FillRequest, round: number): Promise<Resolution | undefined> {
    const shared = await this.#look(request)
    const known = shared && this.#known(shared, request)
    if (known) {
      this.#settle(flight, known)
      return known.kind === 'entry' ? { kind: 'answer', entry: known.entry, how: 'redis' } : PASS
    }
    const stale = request.stale ?? this.#staleOf(shared, request)
    const standing = { ...request, stale }
    const { followClientMs } = request
    const heldMs = shared ? await this.#lock(request, flight, followClientMs) : 0
    if (heldMs > 0) {
      const outcome = await this.#followRemote(flight, standing, heldMs)
      return outcome.kind === 'abandoned' ? undefined : this.#followed(outcome, standing)
    }
    const mark = this.#markOf(flight, standing, shared)
    const isWorthIt = flight.waiting > 0 || stale !== undefined || round > 0
    if (isWorthIt && !this.#isProxyKnownMissing) {
      void this.#lock(request, flight, request.fillTimeoutMs)
      const outcome = await this.#fetch(flight, standing, mark)
      if (outcome !== 'no proxy') return this.#led(outcome, standing)
      // Nobody is to wait for the client's own request as long as for a fetch.
      void this.#lock(request, flight, followClientMs)
    }
    flight.abandonAfter(followClientMs, this.#cache.timers)
    // A 304 would be about what the client has.
    const { revalidates: _, ...own } = mark
    return { kind: 'own', mark: own }
  }

  /** Undefined where Redis can't be asked: then this process decides alone. */
  async #look({ asked, name }: FillRequest): Promise<SharedFind | undefined> {
    const { shared, vary } = this.#cache
    const { path, primary } = asked.names
    if (!shared?.canReach(path)) return undefined
    try {
      const found = await shared.find(path, name)
      if (found.record?.kind !== 'vary') return found
      vary.set(primary, found.record.names)
      return await shared.find(path, this.#cache.nameOf(asked))
    } catch {
      return undefined
    }
  }

  /** What Redis knows that settles it. */
  #known(shared: SharedFind, request: FillRequest): Outcome | undefined {
    if (shared.record?.kind === 'uncacheable') {
      this.#cache.rememberUncacheable(request.name, Math.min(shared.expiresInMs, request.uncacheableMs))
      return { kind: 'uncacheable' }
    }
    return this.#fresh(shared, request)
  }

  #fresh(shared: SharedFind, { asked }: FillRequest): (Outcome & { kind: 'entry' }) | undefined {
    const cache = this.#cache
    const entry = cache.shared?.entryOf(shared, cache.orders)
    if (!entry) return undefined
    if (usable(entry.lifetime, cache.nowMs - entry.bornMs, asked.directives) !== 'use') return undefined
    const name = cache.nameOf(asked)
    cache.put(name, entry)
    return { kind: 'entry', entry, name, isFetched: false }
  }

  /** It goes into memory, for those who wait. */
  #staleOf(shared: SharedFind | undefined, { asked }: FillRequest): Entry | undefined {
    const cache = this.#cache
    const entry = shared && cache.shared?.entryOf(shared, cache.orders)
    if (!entry || usable(entry.lifetime, cache.nowMs - entry.bornMs, asked.directives) === 'none')
      return undefined
    cache.put(cache.nameOf(asked), entry)
    return entry
  }

  async #lock({ asked, name }: FillRequest, { token }: Flight, holdMs: number): Promise<number> {
    const { shared } = this.#cache
    const { path } = asked.names
    return shared?.canReach(path) ? shared.lock({ path, flight: name, token }, holdMs) : 0
  }

  #markOf(flight: Flight, { asked, stale, name }: FillRequest, shared: SharedFind | undefined): FillMark {
    const { names } = asked
    const { path } = names
    return {
      kind: 'fill',
      flight: flight.name,
      primary: names.primary,
      path,
      scheme: names.scheme,
      host: names.host,
      target: names.target,
      generation: shared?.generation ?? this.#cache.generationOf(path),
      sequence: this.#cache.orders.latest,
      token: flight.token,
      startedAtMs: this.#cache.host.clock.now(),
      ...(stale?.headers.etag !== undefined && { revalidates: name }),
    }
  }

  async #fetch(flight: Flight, request: FillRequest, mark: FillMark): Promise<Outcome | 'no proxy'> {
    const etag = request.stale?.headers.etag
    let isFailure = true
    try {
      const { status } = await request.proxy(mark, typeof etag === 'string' ? etag : undefined)
      // What is refused before it reaches the service says nothing about the service.
      isFailure = status < 400 || isError(status)
      if (status === 421) this.#tellWrongScheme(mark.scheme)
    } catch (error) {
      if (this.#isNoProxy(error)) return 'no proxy'
      if (error instanceof SluiceError && error.code === 'SLUICE_FETCH_TIMEOUT' && !request.stale)
        this.#cache.rememberUncacheable(request.name, request.uncacheableMs)
    }
    if (flight.settled) return flight.settled
    const outcome = await this.#fetchedElsewhere(request, mark)
    if (outcome.kind === 'failed') {
      this.#cache.finish(mark, 'failed')
      this.#cache.reporter.fetched('failed')
      if (isFailure) this.#cache.noteFailing(request.name, FAILING_MS)
      const refused: Outcome = isFailure ? outcome : { kind: 'uncacheable' }
      flight.settle(refused)
      return refused
    }
    flight.settle(outcome)
    return outcome
  }

  #tellWrongScheme(scheme: string): void {
    if (this.#isWrongSchemeTold) return
    this.#isWrongSchemeTold = true
    this.#cache.host.log.warn(
      { scheme },
      "fetches through Kong's proxy arrive by another scheme than their clients' requests, and are not made: add the address of this server to Kong's trusted_ips, or give SLUICE_PROXY_URL that scheme",
    )
  }

  /** The response phase of the fetch may have run in another process. */
  async #fetchedElsewhere(request: FillRequest, mark: FillMark): Promise<Outcome> {
    const shared = await this.#look(request)
    if (shared?.record?.kind === 'uncacheable') return { kind: 'uncacheable' }
    const entry = shared && this.#cache.shared?.entryOf(shared, this.#cache.orders)
    if (entry?.token !== mark.token) return { kind: 'failed' }
    const name = this.#cache.nameOf(request.asked)
    this.#cache.put(name, entry)
    return { kind: 'entry', entry, name, isFetched: true }
  }

  #isNoProxy(error: unknown): boolean {
    const { code } = error as { code?: string }
    const isRefused = code === 'SLUICE_LOOPBACK_REFUSED'
    const cause = (error as { cause?: { code?: string } }).cause
    if (!isRefused && cause?.code !== 'ECONNREFUSED') return false
    if (isRefused && !this.#isProxyKnownMissing && /SLUICE_PROXY_URL/.test(messageOf(error))) {
      this.#isProxyKnownMissing = true
      this.#cache.host.log.info("no calls through Kong's proxy: requests fetch for themselves")
    }
    return true
  }

  /** Another node fetches it: waits for its message, and looks in between. */
  async #followRemote(flight: Flight, request: FillRequest, heldMs: number): Promise<Outcome> {
    const { timers } = this.#cache
    let wake = () => {}
    let told: FillOutcome | undefined
    const stop = this.#cache.onDone(request.name, outcome => {
      told = outcome
      wake()
    })
    try {
      const untilMs = this.#cache.nowMs + heldMs
      while (!flight.settled && this.#cache.nowMs < untilMs) {
        await new Promise<void>(resolve => {
          const callOff = timers.after(LOOK_MS, resolve)
          wake = () => {
            callOff()
            resolve()
          }
          if (told) wake()
        })
        const shared = await this.#look(request)
        const known = shared && this.#known(shared, request)
        if (known) return this.#settle(flight, known)
        if (told === 'failed' || told === 'uncacheable') return this.#settle(flight, { kind: told })
        // Its message, or what it has stored, may be lost: then nobody holds the lock any more.
        if ((await this.#lock(request, flight, 0)) === 0) break
        told = undefined
      }
      return this.#settle(flight, { kind: 'abandoned' })
    } finally {
      stop()
    }
  }

  #settle(flight: Flight, outcome: Outcome): Outcome {
    flight.settle(outcome)
    return flight.settled ?? outcome
  }

  #led(outcome: Outcome, request: FillRequest): Resolution {
    if (outcome.kind === 'entry' && this.#isFor(outcome, request))
      return { kind: 'answer', entry: outcome.entry, how: 'fetched' }
    return outcome.kind === 'failed' ? this.#withoutAnswer(request) : PASS
  }

  #followed(outcome: Outcome, request: FillRequest): Resolution {
    if (outcome.kind === 'entry' && this.#isFor(outcome, request))
      return { kind: 'answer', entry: outcome.entry, how: outcome.isFetched ? 'collapsed' : 'redis' }
    return outcome.kind === 'failed' ? this.#withoutAnswer(request) : PASS
  }

  /** The answer may vary by what the requests differ in, and one client may want a newer one than another. */
  #isFor({ name, entry, isFetched }: Outcome & { kind: 'entry' }, { asked }: FillRequest): boolean {
    const cache = this.#cache
    if (name !== cache.nameOf(asked)) return false
    return isFetched || usable(entry.lifetime, cache.nowMs - entry.bornMs, asked.directives) === 'use'
  }

  #withoutAnswer({ stale: own, asked }: FillRequest): Resolution {
    const cache = this.#cache
    const stale = own ?? cache.find(asked, cache.nameOf(asked))?.entry
    return stale && cache.isValid(stale) ? { kind: 'answer', entry: stale, how: 'if-error' } : PASS
  }
}
