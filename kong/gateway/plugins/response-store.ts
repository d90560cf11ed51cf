import type { HeaderValue } from '../proxy/header-map.ts'

export interface StoredResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, HeaderValue>>
  readonly body: Buffer
  readonly storedAtMs: number
  /** How long it is fresh. */
  readonly ttlSeconds: number
  /** How long it is kept. */
  readonly keptSeconds: number
}

/** As much as Kong's dictionary holds by default. */
const MAX_BYTES = 128 * 2 ** 20
/** What an entry costs besides its body. */
const ENTRY_BYTES = 1_024

/** Responses in memory; the oldest are evicted when there is no room left. */
export class ResponseStore {
  readonly #now: () => number
  readonly #responses = new Map<string, StoredResponse>()
  #bytes = 0

  constructor(now: () => number) {
    this.#now = now
  }

  get(key: string): StoredResponse | undefined {
    const response = this.#responses.get(key)
    if (!response || response.storedAtMs + response.keptSeconds * 1_000 > this.#now()) return response
    this.delete(key)
    return undefined
  }

  set(key: string, response: StoredResponse): void {
    this.delete(key)
    this.#responses.set(key, response)
    this.#bytes += sizeOf(response)
    for (const oldest of this.#responses.keys()) {
      if (this.#bytes <= MAX_BYTES) break
      this.delete(oldest)
    }
  }

  delete(key: string): void {
    const response = this.#responses.get(key)
    if (!response) return
    this.#responses.delete(key)
    this.#bytes -= sizeOf(response)
  }

  clear(): void {
    this.#responses.clear()
    this.#bytes = 0
  }
}

const sizeOf = ({ body }: StoredResponse) => body.length + ENTRY_BYTES
