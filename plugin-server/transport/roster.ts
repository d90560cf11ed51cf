/** What a roster may hold. */
export interface Listed {
  /** The roster's own. */
  place: number
}

/**
 * A set of what comes and goes thousands of times a second.
 *
 * Not a `Set`: V8 gives one a new table every so many changes, and the old table points to the new one. Once one of
 * them has become old, all that follow are kept by it, and with them whatever they held, until the whole heap is
 * collected; of a storm of connections a third of all garbage was copied twice before it was let go.
 */
export class Roster<T extends Listed> {
  readonly #items: T[] = []

  get size(): number {
    return this.#items.length
  }

  add(item: T): void {
    item.place = this.#items.push(item) - 1
  }

  /** Of one that is there. */
  delete(item: T): void {
    const last = this.#items.pop()!
    if (last === item) return
    this.#items[item.place] = last
    last.place = item.place
  }

  all(): readonly T[] {
    return [...this.#items]
  }
}
