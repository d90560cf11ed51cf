/** A value that is watched. */
export class Store<T> {
  #value: T
  readonly #watchers = new Set<(value: T) => void>()

  constructor(value: T) {
    this.#value = value
  }

  get value(): T {
    return this.#value
  }

  set(value: T): void {
    this.#value = value
    for (const watcher of [...this.#watchers]) watcher(value)
  }

  /** @returns ends it */
  watch(watcher: (value: T) => void): () => void {
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }
}
