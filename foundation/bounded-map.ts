/** A map of its newest entries: beyond the limit the oldest is forgotten. */
export class BoundedMap<V> {
  readonly #limit: number
  readonly #entries = new Map<string, V>()
  /** One for all time: a new one would pass over every entry that was ever deleted, some 15 µs in a large map. */
  readonly #oldest = this.#entries.keys()

  constructor(limit: number) {
    this.#limit = limit
  }

  get(name: string): V | undefined {
    return this.#entries.get(name)
  }

  /** The entry is the newest then, also where it was there before. */
  set(name: string, value: V): void {
    this.#entries.delete(name)
    this.#entries.set(name, value)
    if (this.#entries.size > this.#limit) this.#entries.delete(String(this.#oldest.next().value))
  }

  clear(): void {
    this.#entries.clear()
  }
}
