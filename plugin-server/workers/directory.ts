import type { Clock } from '../../foundation/clock.ts'
import { createInstanceTable, type InstanceTable } from '../runtime/instance-table.ts'
import type { FromWorker, KnownInstance, ToWorker } from './messages.ts'

type Start = Extract<FromWorker, { kind: 'start' }>

/** An instance that not all workers have yet. */
interface Pending {
  readonly instance: KnownInstance
  /** Workers that have not answered. */
  readonly missing: Set<number>
  /** Who waits for the id: a worker and its call. */
  askers: { readonly worker: number; readonly call: number }[]
  refusal: string | undefined
}

/** Agrees with all workers on every instance: one has an id for Kong once all have it. */
export class Directory {
  readonly #table: InstanceTable
  readonly #send: (worker: number, message: ToWorker) => void
  readonly #workers = new Set<number>()
  readonly #known = new Map<number, KnownInstance>()
  readonly #pending = new Map<number, Pending>()
  readonly #usedAtMs = new Map<number, number>()

  constructor(clock: Clock, firstId: number, send: (worker: number, message: ToWorker) => void) {
    this.#table = createInstanceTable(clock, firstId)
    this.#send = send
  }

  /** What a new worker begins with. */
  known(): KnownInstance[] {
    return [...this.#known.values(), ...[...this.#pending.values()].map(pending => pending.instance)]
  }

  joined(worker: number): void {
    this.#workers.add(worker)
  }

  /** Its successor begins with all that is known, so nobody waits for it. */
  left(worker: number): void {
    this.#workers.delete(worker)
    for (const [id, pending] of this.#pending) {
      // Its successor has the same number, and calls of its own that are numbered alike.
      pending.askers = pending.askers.filter(asker => asker.worker !== worker)
      this.#answered(id, pending, worker)
    }
  }

  start(worker: number, { call, name, config, key, entity }: Start): void {
    const { id, isNew } = this.#table.start(key, entity)
    const asker = { worker, call }
    const pending = this.#pending.get(id)
    if (pending) pending.askers.push(asker)
    else if (!isNew) this.#send(worker, { kind: 'started', call, id })
    else {
      const instance = { id, name, config }
      this.#pending.set(id, {
        instance,
        missing: new Set(this.#workers),
        askers: [asker],
        refusal: undefined,
      })
      for (const each of this.#workers) this.#send(each, { kind: 'adopt', call: id, ...instance })
    }
  }

  /** @param call the id that the worker was asked to adopt. */
  adopted(worker: number, call: number, refusal: string | undefined): void {
    const pending = this.#pending.get(call)
    if (!pending) return
    pending.refusal ??= refusal
    this.#answered(call, pending, worker)
  }

  close(id: number): void {
    this.#table.close(id)
  }

  used(times: readonly (readonly [id: number, atMs: number])[]): void {
    for (const [id, atMs] of times) this.#usedAtMs.set(id, Math.max(atMs, this.#usedAtMs.get(id) ?? 0))
  }

  /** Forgets, with all workers, what none of them has used for long. */
  collect(): void {
    const ids = this.#table.collect(id => this.#usedAtMs.get(id) ?? 0)
    if (ids.length === 0) return
    for (const id of ids) {
      this.#known.delete(id)
      this.#usedAtMs.delete(id)
    }
    this.#tellAll({ kind: 'forget', ids })
  }

  #answered(id: number, pending: Pending, worker: number): void {
    pending.missing.delete(worker)
    if (pending.missing.size > 0) return
    this.#pending.delete(id)
    const { refusal, askers } = pending
    if (refusal === undefined) this.#known.set(id, pending.instance)
    else {
      this.#table.forget(id)
      this.#tellAll({ kind: 'forget', ids: [id] })
    }
    for (const { worker: to, call } of askers)
      this.#send(
        to,
        refusal === undefined ? { kind: 'started', call, id } : { kind: 'refused', call, reason: refusal },
      )
  }

  #tellAll(message: ToWorker): void {
    for (const worker of this.#workers) this.#send(worker, message)
  }
}
