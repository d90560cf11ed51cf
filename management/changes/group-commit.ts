interface Waiting<T> {
  readonly item: T
  resolve(): void
  reject(error: unknown): void
}

/** Items in one commit. */
const MOST = 200

/** Commits what comes while an earlier commit is under way in one: whoever waits does so for two commits at most. */
export class GroupCommit<T> {
  readonly #commit: (items: readonly T[]) => Promise<void>
  #waiting: Waiting<T>[] = []
  #isCommitting = false

  /** @param commit stores all items or none; its rejection is that of each of them. */
  constructor(commit: (items: readonly T[]) => Promise<void>) {
    this.#commit = commit
  }

  /** Resolves when the item is durable. */
  add(item: T): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject })
      if (!this.#isCommitting) void this.#run()
    })
  }

  async #run(): Promise<void> {
    this.#isCommitting = true
    // What is added at the same moment goes along.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, MOST)
      try {
        await this.#commit(group.map(({ item }) => item))
        for (const { resolve } of group) resolve()
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
    }
    this.#isCommitting = false
  }
}
