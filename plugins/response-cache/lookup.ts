/** One request that may be answered from the cache. */
import type { AccessKong } from '../../sdk/sdk.ts'
import { respond, respondNothingStored } from './answer.ts'
import type { Asked, Found, ResponseCache } from './cache.ts'
import type { Settings } from './config.ts'
import type { Encoding } from './encoding.ts'
import type { Entry } from './entry.ts'
import { hitStatus, missStatus } from './fields.ts'
import type { Filler, FillRequest, Resolution } from './filler.ts'
import { FILL_HEADER, MARK, toHeader, writeMark } from './mark.ts'
import type { RequestLine } from './request.ts'

/** In `Cache-Status`. */
export const CACHE_NAME = 'Sluice'

/** What the process remembers, as far as a request needs it. */
export interface LookupMemory {
  readonly cache: ResponseCache
  readonly filler: Filler
  /** Calls through Kong's proxy are set up. */
  readonly canLoopback: boolean
}

/** The answer is not looked at, so that it may stream. */
export function stopBuffering(kong: AccessKong, settings: Settings): void {
  if (settings.stream) kong.nginx.setCtx('buffered_proxying', false)
}

export interface LookupParts {
  readonly asked: Asked
  readonly line: RequestLine
  readonly scheme: string
  readonly encoding: Encoding
}

export class Lookup {
  readonly #kong: AccessKong
  readonly #memory: LookupMemory
  readonly #settings: Settings
  readonly #parts: LookupParts
  readonly #name: string

  constructor(kong: AccessKong, memory: LookupMemory, settings: Settings, parts: LookupParts) {
    this.#kong = kong
    this.#memory = memory
    this.#settings = settings
    this.#parts = parts
    this.#name = memory.cache.nameOf(parts.asked)
  }

  async answer(): Promise<void> {
    const { cache } = this.#memory
    const { asked, line } = this.#parts
    const found = cache.find(asked, this.#name)
    if (found?.use === 'use') return this.#hit(found.entry)
    if (found && cache.isFailing(this.#name) && !asked.directives.has('no-cache'))
      return this.#stale(found.entry)
    if (found?.use === 'use-and-refresh') return this.#hitAndRefresh(found)
    if (asked.directives.has('only-if-cached'))
      respondNothingStored(this.#kong, missStatus(CACHE_NAME, { forward: 'request' }))
    if (cache.isUncacheable(this.#name)) return this.#goOn()
    await (line.method === 'HEAD' ? this.#resolveHead() : this.#resolve(found?.entry))
  }

  #hit(entry: Entry): never {
    this.#memory.cache.reporter.request('memory-hit')
    return this.#respond(entry, hitStatus(CACHE_NAME, { ttlMs: this.#ttlMs(entry) }))
  }

  #stale(entry: Entry): never {
    const { reporter } = this.#memory.cache
    const { host, target } = this.#parts.asked.names
    reporter.request('error-hit')
    reporter.staleServed(host, target, this.#ageMs(entry))
    return this.#respond(
      entry,
      hitStatus(CACHE_NAME, { ttlMs: this.#ttlMs(entry), detail: 'stale-if-error' }),
    )
  }

  async #hitAndRefresh({ entry }: Found): Promise<never> {
    const { cache, filler, canLoopback } = this.#memory
    if (canLoopback && !cache.flights.get(this.#name)) {
      // What the call needs of the request must be known before it is over.
      await Promise.all([this.#kong.client.getForwardedIp(), this.#kong.loopbackOrigin()])
      void filler.refresh(this.#fillRequest(entry, 'refresh')).catch(() => {})
    }
    cache.reporter.request('stale-hit')
    return this.#respond(
      entry,
      hitStatus(CACHE_NAME, { ttlMs: this.#ttlMs(entry), detail: 'stale-while-revalidate' }),
    )
  }

  /** The answer to HEAD has no body to store: it fetches nothing. */
  async #resolveHead(): Promise<void> {
    const entry = await this.#memory.filler.peek(this.#fillRequest(undefined, 'part'))
    if (entry) return this.#resolved({ kind: 'answer', entry, how: 'redis' })
    this.#goOn()
  }

  async #resolve(stale: Entry | undefined): Promise<void> {
    const { filler, cache } = this.#memory
    const resolution = await filler.resolve(this.#fillRequest(stale, 'part'))
    if (resolution.kind === 'answer') return this.#resolved(resolution)
    if (resolution.kind === 'pass') return this.#goOn()
    cache.reporter.request('miss')
    this.#kong.ctx.shared.set(MARK, writeMark(resolution.mark))
    this.#kong.service.request.setHeader('accept-encoding', this.#parts.encoding)
  }

  #resolved({ entry, how }: Resolution & { kind: 'answer' }): never {
    const { reporter } = this.#memory.cache
    if (how === 'if-error') return this.#stale(entry)
    if (how === 'redis') {
      reporter.request('redis-hit')
      return this.#respond(entry, hitStatus(CACHE_NAME, { ttlMs: this.#ttlMs(entry) }))
    }
    const isCollapsed = how === 'collapsed'
    reporter.request(isCollapsed ? 'collapsed' : 'miss')
    return this.#respond(entry, missStatus(CACHE_NAME, { forward: 'miss', isStored: true, isCollapsed }))
  }

  /** To the service, and nothing of it is stored. */
  #goOn(): void {
    this.#memory.cache.reporter.request('uncacheable')
    stopBuffering(this.#kong, this.#settings)
  }

  #fillRequest(stale: Entry | undefined, purpose: 'refresh' | 'part'): FillRequest {
    const { asked, line, scheme, encoding } = this.#parts
    const { fillTimeoutMs, followClientMs, uncacheableMs } = this.#settings
    return {
      asked,
      name: this.#name,
      stale,
      fillTimeoutMs,
      followClientMs,
      uncacheableMs,
      proxy: (mark, etag) =>
        this.#kong.loopback({
          purpose,
          target: line.target,
          headers: {
            'accept-encoding': encoding,
            'x-forwarded-proto': scheme,
            [FILL_HEADER]: toHeader(mark),
            ...(etag !== undefined && { 'if-none-match': etag }),
          },
          timeoutMs: fillTimeoutMs,
        }),
    }
  }

  #respond(entry: Entry, cacheStatus: string): never {
    return respond(this.#kong, this.#parts.asked.headers, {
      entry,
      ageMs: this.#ageMs(entry),
      cacheStatus,
    })
  }

  #ageMs(entry: Entry): number {
    return this.#memory.cache.nowMs - entry.bornMs
  }

  #ttlMs(entry: Entry): number {
    return entry.lifetime.freshMs - this.#ageMs(entry)
  }
}
