import type { AdminClient } from '../kong/admin/client.ts'
import type { Change } from '../kong/reconcile/change.ts'
import { makeChange } from '../kong/reconcile/steps/write.ts'
import { isOwnTarget, type MarkedUpstream, type TargetRow, targetChanges } from './changes.ts'
import type { Instance } from './consul/instances.ts'
import { decideRemovals, EMPTY_MEMORY, type GuardLimits, type GuardMemory } from './guard.ts'

export interface TargetsParts {
  readonly kong: Pick<AdminClient, 'request' | 'find' | 'list' | 'now'>
  readonly limits: GuardLimits
  /** Milliseconds that never go back. */
  readonly monotonic: () => number
}

export interface Applied {
  readonly changes: readonly Change[]
  /** Addresses that don't pass any more and are kept for now. */
  readonly held: readonly string[]
  /** When one of them may go, by `monotonic`; undefined when none is held. */
  readonly againAtMs: number | undefined
}

/** The targets of one upstream, as Kong has them. Calls must not overlap. */
export class UpstreamTargets {
  readonly upstream: MarkedUpstream
  readonly #parts: TargetsParts
  /** Those that discovery made, by address; undefined until they are read. */
  #own: Map<string, TargetRow> | undefined
  /** Addresses of targets that somebody else made. */
  #foreign: ReadonlySet<string> = new Set()
  #memory: GuardMemory = EMPTY_MEMORY

  constructor(upstream: MarkedUpstream, parts: TargetsParts) {
    this.upstream = upstream
    this.#parts = parts
  }

  /** How many targets discovery has in the upstream. */
  get size(): number {
    return this.#own?.size ?? 0
  }

  /** Reads them from Kong again before the next `apply`. */
  forget(): void {
    this.#own = undefined
  }

  /**
   * Makes the upstream hold the instances, as far as the guard lets it.
   *
   * @throws SluiceError of the Admin API's client; what was not written yet is found at the next call.
   */
  async apply(instances: readonly Instance[]): Promise<Applied> {
    const own = this.#own ?? (await this.#read())
    const { limits, monotonic } = this.#parts
    const verdict = decideRemovals(
      { present: [...own.keys()], wanted: new Set(instances.map(({ address }) => address)) },
      this.#memory,
      monotonic(),
      limits,
    )
    const wanted = instances.filter(({ address }) => !this.#foreign.has(address))
    const changes = targetChanges(this.upstream, [...own.values()], wanted, verdict.remove)
    try {
      await this.#write(changes.filter(({ action }) => action !== 'delete'))
      await this.#write(changes.filter(({ action }) => action === 'delete'))
    } catch (error) {
      // Whether Kong did what it gave no answer to shows when it is read.
      this.forget()
      throw error
    }
    this.#memory = verdict.memory
    return { changes, held: verdict.held, againAtMs: verdict.againAtMs }
  }

  async #read(): Promise<Map<string, TargetRow>> {
    // `/targets` leaves out those of weight 0.
    const rows = (await this.#parts.kong.list(`/upstreams/${this.upstream.id}/targets/all`)) as
      | readonly TargetRow[]
      | undefined
    const own = new Map((rows ?? []).filter(isOwnTarget).map(row => [row.target, row]))
    this.#foreign = new Set((rows ?? []).filter(row => !isOwnTarget(row)).map(({ target }) => target))
    this.#own = own
    return own
  }

  async #write(changes: readonly Change[]): Promise<void> {
    const results = await Promise.allSettled(changes.map(change => this.#make(change)))
    const failed = results.find(result => result.status === 'rejected')
    if (failed) throw failed.reason
  }

  async #make(change: Change): Promise<void> {
    const row = await makeChange(this.#parts.kong, change)
    if (change.action === 'delete') this.#own?.delete(String(change.row?.target))
    else if (row) this.#own?.set(String(row.target), row as TargetRow)
  }
}
