import type { StoredBytes } from '../../sdk/store.ts'

interface Kept {
  readonly bytes: Uint8Array
  readonly expiresAtMs: number
}

/** All bytes together; beyond it the oldest go first. */
const MAX_BYTES = 64 * 1024 * 1024

/** The bytes of a store in memory, oldest first. */
export class MemoryBytes {
  readonly #kept = new Map<string, Kept>()
  readonly #nowMs: () => number
  readonly #maxBytes: number
  #size = 0

  constructor(nowMs: () => number, maxBytes = MAX_BYTES) {
    this.#nowMs = nowMs
    this.#maxBytes = maxBytes
  }

  get(key: string): StoredBytes | undefined {
    const kept = this.#kept.get(key)
    if (!kept) return undefined
    const expiresInMs = kept.expiresAtMs - this.#nowMs()
    if (expiresInMs > 0) return { bytes: kept.bytes, expiresInMs }
    this.#delete(key)
    return undefined
  }

  set(key: string, bytes: Uint8Array, expireInMs: number): void {
    this.#delete(key)
    if (expireInMs <= 0 || bytes.length > this.#maxBytes) return
    this.#kept.set(key, { bytes, expiresAtMs: this.#nowMs() + expireInMs })
    this.#size += bytes.length
    for (const oldest of this.#kept.keys()) {
      if (this.#size <= this.#maxBytes) break
      this.#delete(oldest)
    }
  }

  *keys(): Iterable<string> {
    const now = this.#nowMs()
    for (const [key, { expiresAtMs }] of this.#kept) if (expiresAtMs > now) yield key
  }

  clear(): void {
    this.#kept.clear()
    this.#size = 0
  }

  #delete(key: string): void {
    const kept = this.#kept.get(key)
    if (!kept) return
    this.#kept.delete(key)
    this.#size -= kept.bytes.length
  }
}
