import { type Entry, sizeOf } from './entry.ts'

export interface MemoryCounts {
  readonly entries: number
  readonly bytes: number
}

interface Held {
  readonly entry: Entry
  readonly size: number
  /** When it was put here, by the monotonic clock, milliseconds. */
  readonly putMs: number
}

/** Entries by name, the least recently used first; no more bytes than it may hold. */
export class MemoryLevel {
  readonly #maxBytes: number
  readonly #onEvicted: () => void
  readonly #entries = new Map<string, Held>()
  readonly #ofPath = new Map<string, Set<string>>()
  #bytes = 0

  constructor(maxBytes: number, onEvicted: () => void = () => {}) {
    this.#maxBytes = maxBytes
    this.#onEvicted = onEvicted
  }

  get counts(): MemoryCounts {
    return { entries: this.#entries.size, bytes: this.#bytes }
  }

  get(name: string): Held | undefined {
    const found = this.#entries.get(name)
    if (!found) return undefined
    this.#entries.delete(name)
    this.#entries.set(name, found)
    return found
  }

  put(name: string, entry: Entry, nowMs: number): void {
    this.delete(name)
    const size = sizeOf(entry)
    if (size > this.#maxBytes) return
    this.#entries.set(name, { entry, size, putMs: nowMs })
    this.#bytes += size
    const names = this.#ofPath.get(entry.path) ?? new Set()
    this.#ofPath.set(entry.path, names.add(name))
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#maxBytes) break
      this.delete(oldest)
      this.#onEvicted()
    }
  }

  delete(name: string): void {
    const found = this.#entries.get(name)
    if (!found) return
    this.#entries.delete(name)
    this.#bytes -= found.size
    const names = this.#ofPath.get(found.entry.path)
    names?.delete(name)
    if (names?.size === 0) this.#ofPath.delete(found.entry.path)
  }

  /** @param generation entries of this one stay. */
  deletePath(path: string, generation: string): void {
    for (const name of [...(this.#ofPath.get(path) ?? [])])
      if (this.#entries.get(name)?.entry.generation !== generation) this.delete(name)
  }

  /** @returns how many were deleted. */
  deleteWhere(isMeant: (entry: Entry) => boolean): number {
    const before = this.#entries.size
    for (const [name, { entry }] of this.#entries) if (isMeant(entry)) this.delete(name)
    return before - this.#entries.size
  }

  clear(): void {
    this.#entries.clear()
    this.#ofPath.clear()
    this.#bytes = 0
  }
}
