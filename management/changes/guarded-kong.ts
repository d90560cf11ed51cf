import { AdminUnreachable } from '../../kong/admin/answer.ts'
import type { AdminClient, Row } from '../../kong/admin/client.ts'
import type { AdminRequests } from '../../kong/reconcile/steps/steps.ts'
import type { FaultPoint } from '../fault-point.ts'
import type { HeldLease } from './lease.ts'
import type { Timing } from './timing.ts'

export interface GuardedParts {
  readonly kong: AdminClient
  readonly fault: FaultPoint
  readonly timing: Pick<Timing, 'requestMs'>
}

/** Kong, for the holder of the lease: nothing is sent unless the lease outlasts the request. */
export class GuardedKong implements AdminRequests {
  readonly #client: AdminClient
  readonly #lease: HeldLease
  readonly #fault: FaultPoint
  readonly #requestMs: number

  /** @param parts whose client takes `requestMs` at most for a request. */
  constructor({ kong, fault, timing }: GuardedParts, lease: HeldLease) {
    this.#client = kong
    this.#lease = lease
    this.#fault = fault
    this.#requestMs = timing.requestMs
  }

  now(): number {
    return this.#client.now()
  }

  async request(
    method: Parameters<AdminClient['request']>[0],
    path: string,
    body?: unknown,
  ): Promise<unknown> {
    return this.#within(method, () => this.#client.request(method, path, body))
  }

  async find(path: string): Promise<Row | undefined> {
    return this.#within('GET', () => this.#client.find(path))
  }

  list(path: string): Promise<readonly Row[] | undefined> {
    return this.#within('GET', () => this.#client.list(path))
  }

  async #within<T>(method: string, send: () => Promise<T>): Promise<T> {
    if (this.#lease.remainingMs <= this.#requestMs) await this.#lease.renew().catch(() => {})
    // Not sent, so not uncertain; another attempt may succeed, by whoever holds the lease then.
    if (this.#lease.remainingMs <= this.#requestMs)
      throw new AdminUnreachable('the right to write was lost', { code: 'ECONNREFUSED' })
    await this.#fault(`kong.${method}.before`)
    const answer = await send()
    await this.#fault(`kong.${method}.after`)
    return answer
  }
}
