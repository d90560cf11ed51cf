/** The response phase of a request that fetches an answer: decides whether it is stored, and stores it. */
import type { HeaderMap, ResponseKong } from '../../sdk/sdk.ts'
import type { ResponseCache } from './cache.ts'
import type { Settings } from './config.ts'
import { joined } from './directives.ts'
import type { Entry, Stored } from './entry.ts'
import { storedFields, tagsOf } from './fields.ts'
import { variantName } from './key.ts'
import type { FillMark } from './mark.ts'
import { initialAgeMs, isError, judge, type Refusal, varyNames } from './policy.ts'
import { isIllegible, MAX_FIELDS } from './request.ts'
import { widen } from './vary.ts'

/** What became of the answer, for `Cache-Status`. */
export type Result = 'stored' | 'revalidated' | Refusal | 'error'

/** A slow answer is older than it says; more is a clock that was set. */
const MAX_DELAY_MS = 120_000

export async function storeAnswer(
  kong: ResponseKong,
  cache: ResponseCache,
  settings: Settings,
  mark: FillMark,
): Promise<Result> {
  try {
    const result = await new Storing(kong, cache, settings, mark).run()
    settle(cache, settings, mark, result)
    return result
  } catch (error) {
    // Most likely it is too large for this server: the next one must not be read.
    cache.rememberUncacheable(mark.flight, settings.uncacheableMs)
    settle(cache, settings, mark, 'error')
    throw error
  }
}

/** Ends the fetch for those who wait, unless `put` has done so. */
function settle(cache: ResponseCache, settings: Settings, mark: FillMark, result: Result): void {
  const flight = cache.flights.get(mark.flight)
  const own = flight?.token === mark.token ? flight : undefined
  if (result === 'stored' || result === 'revalidated') {
    cache.reporter.fetched(result)
    return
  }
  if (result === 'not-modified') {
    // Said to one client about what it has; nothing about the next.
    own?.settle({ kind: 'abandoned' })
    cache.shared?.unlock(mark)
    return
  }
  if (result === 'error') {
    own?.settle({ kind: 'failed' })
    cache.reporter.fetched('failed')
    cache.finish(mark, 'failed')
    return
  }
  cache.rememberUncacheable(mark.flight, settings.uncacheableMs)
  own?.settle({ kind: 'uncacheable' })
  cache.reporter.fetched('uncacheable')
  const { shared } = cache
  if (!shared) return
  void shared
    .putUncacheable(mark.path, mark.flight, settings.uncacheableMs)
    .then(() => cache.finish(mark, 'uncacheable'))
}

class Storing {
  readonly #kong: ResponseKong
  readonly #cache: ResponseCache
  readonly #settings: Settings
  readonly #mark: FillMark

  constructor(kong: ResponseKong, cache: ResponseCache, settings: Settings, mark: FillMark) {
    this.#kong = kong
    this.#cache = cache
    this.#settings = settings
    this.#mark = mark
  }

  async run(): Promise<Result> {
    const [status, headers] = await Promise.all([
      this.#kong.response.getStatus(),
      this.#kong.response.getHeaders(MAX_FIELDS),
    ])
    if (status === 304) return this.#revalidate(headers)
    if (isError(status)) return 'error'
    // What was cut off may be what forbids it.
    if (Object.values(headers).flat().length >= MAX_FIELDS) return 'too-large'
    const storing = judge({ status, headers }, this.#settings.policy)
    if ('refusal' in storing) return storing.refusal
    const { maxBodyBytes } = this.#settings
    const length = joined(headers['content-length'])
    if (length !== undefined && Number(length) > maxBodyBytes) return 'too-large'
    const body = await this.#kong.service.response.getRawBody()
    if (body.length > maxBodyBytes) return 'too-large'
    if (length !== undefined && Number(length) !== body.length) return 'incomplete'
    const fields = storedFields(headers, this.#settings.keepHeaders)
    // A hit would have other bytes in their place.
    if (Object.values(fields).some(isIllegible)) return 'illegible'
    const stored = this.#stored({
      status,
      headers: fields,
      lifetime: storing.lifetime,
      tags: tagsOf(headers),
    })
    await this.#put(stored, body, initialAgeMs(headers))
    return 'stored'
  }

  /** A 304 makes the stored answer fresh again, with the fields that it brings (RFC 9111 section 4.3.4). */
  async #revalidate(headers: HeaderMap): Promise<Result> {
    const { policy, keepHeaders } = this.#settings
    const { revalidates } = this.#mark
    if (revalidates === undefined) return 'not-modified'
    const old = await this.#old(revalidates)
    if (!old) return 'error'
    // Of another version than the stored one.
    if (headers.etag !== undefined && joined(headers.etag) !== joined(old.headers.etag)) return 'not-modified'
    const { 'content-length': _, 'content-encoding': __, 'content-type': ___, ...news } = headers
    const merged = { ...old.headers, ...storedFields(news, keepHeaders) }
    const storing = judge({ status: old.status, headers: merged }, policy)
    if ('refusal' in storing) return storing.refusal
    const { status, tags, body } = old
    const stored = this.#stored({ status, headers: merged, lifetime: storing.lifetime, tags })
    await this.#put(stored, body, initialAgeMs(headers))
    return 'revalidated'
  }

  async #old(name: string): Promise<Entry | undefined> {
    const cache = this.#cache
    const { shared } = cache
    const held = cache.memory.get(name)?.entry
    if (held || !shared?.canReach(this.#mark.path)) return held
    return shared.entryOf(await shared.find(this.#mark.path, name), cache.orders)
  }

  #stored(parts: Pick<Stored, 'status' | 'headers' | 'lifetime' | 'tags'>): Stored {
    const { primary, path, host, target, generation, sequence, token } = this.#mark
    return { ...parts, primary, path, host, target, generation, sequence, token }
  }

  async #put(stored: Stored, body: Uint8Array, initialMs: number): Promise<void> {
    const cache = this.#cache
    const { primary, path, startedAtMs, flight: flightName, token } = this.#mark
    const delayMs = Math.min(Math.max(cache.host.clock.now() - startedAtMs, 0), MAX_DELAY_MS)
    const ageMs = initialMs + delayMs
    const known = cache.vary.get(primary)
    const names = varyNames(stored.headers)
    const vary = widen(known, names === '*' ? [] : names)
    cache.vary.set(primary, vary)
    const name =
      vary.length === 0 ? primary : variantName(primary, vary, await this.#kong.request.getHeaders())
    // The body may be a part of a larger buffer.
    const entry: Entry = { ...stored, body: Buffer.from(body), bornMs: cache.nowMs - ageMs }
    cache.put(name, entry)
    const flight = cache.flights.get(flightName)
    if (flight?.token === token) flight.settle({ kind: 'entry', entry, name, isFetched: true })
    void this.#share(stored, entry.body, { name, ageMs, path, vary })
  }

  /** Nobody waits for Redis but those on other nodes. */
  async #share(
    stored: Stored,
    body: Uint8Array,
    at: { name: string; ageMs: number; path: string; vary: readonly string[] },
  ): Promise<void> {
    const { shared } = this.#cache
    if (!shared) return
    const writes = [shared.putAnswer(at.name, stored, body, at.ageMs)]
    if (at.vary.length > 0) writes.push(shared.putVary(at.path, stored.primary, at.vary))
    await Promise.all(writes)
    this.#cache.finish(this.#mark, 'stored')
  }
}
