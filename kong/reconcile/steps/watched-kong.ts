import { AdminUnreachable } from '../../admin/answer.ts'
import type { Row } from '../change.ts'
import type { AdminRequests } from './steps.ts'

/** Kong, with an eye on whether it answers at all. */
export class WatchedKong implements AdminRequests {
  readonly #kong: AdminRequests
  readonly #patience: number
  #unanswered = 0

  /** @param patience after how many requests in a row without an answer it counts as away */
  constructor(kong: AdminRequests, patience: number) {
    this.#kong = kong
    this.#patience = patience
  }

  get isAway(): boolean {
    return this.#unanswered >= this.#patience
  }

  now(): number {
    return this.#kong.now()
  }

  request(...asked: Parameters<AdminRequests['request']>): Promise<unknown> {
    return this.#watch(this.#kong.request(...asked))
  }

  find(path: string): Promise<Row | undefined> {
    return this.#watch(this.#kong.find(path))
  }

  async #watch<T>(answer: Promise<T>): Promise<T> {
    try {
      const value = await answer
      this.#unanswered = 0
      return value
    } catch (error) {
      this.#unanswered = error instanceof AdminUnreachable ? this.#unanswered + 1 : 0
      throw error
    }
  }
}
