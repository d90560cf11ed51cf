import { createHash } from 'node:crypto'
import { canonicalJson } from '../../foundation/canonical-json.ts'
import { SluiceError } from '../../foundation/errors.ts'
import type { Timers } from '../../foundation/timers.ts'
import { AdminRefused, isTransient } from '../../kong/admin/answer.ts'
import type { AdminClient } from '../../kong/admin/client.ts'
import type { Schemas } from '../../kong/reconcile/schemas.ts'
import { Problem } from '../http/problem.ts'
import { Mirroring } from '../mirror/mirrored.ts'
import type { MirrorStore } from '../mirror/store.ts'
import type { Policy } from '../policy/policy.ts'
import type { KongSchemas } from '../schemas.ts'
import type { Sealer } from '../sealer.ts'
import { type Asker, type ChangeRequest, type ChangeRow, isEnded } from './change-record.ts'
import type { ChangeStore } from './change-store.ts'
import { faultsOfRefusal, problemOf } from './fault.ts'
import { isIrreversible, refuseIrreversible } from './irreversible.ts'
import { planFile } from './plan-file.ts'
import { type Planned, planOperations } from './planner.ts'
import { validateByKong } from './validate.ts'
import { wantedNames } from './wanted-names.ts'
import type { Notices } from './watch.ts'

export interface ChangesParts {
  readonly store: ChangeStore
  readonly mirror: MirrorStore
  readonly schemas: KongSchemas
  readonly sealer: Sealer
  readonly kong: AdminClient
  /** For whole collections. */
  readonly slowKong: AdminClient
  readonly notices: Notices
  readonly policy: Policy
  readonly timers: Timers
  readonly newId: () => string
  /** Why nothing may be changed now; undefined where it may. */
  readonly readOnly: () => string | undefined
}

export interface Submission extends Asker {
  readonly origin: string
  readonly request: ChangeRequest
  readonly undoOf?: string
  /** It is about what the mirror does not show: it is checked against Kong alone, when its turn comes. */
  readonly isPastMirror?: boolean
  readonly idempotencyKey?: string
  /** What makes two requests the same: method, path and body. */
  readonly fingerprint?: unknown
}

/** What whoever asks for a change needs: checks, submission, waiting. */
export class Changes {
  readonly #parts: ChangesParts

  constructor(parts: ChangesParts) {
    this.#parts = parts
  }

  get store(): ChangeStore {
    return this.#parts.store
  }

  /** Kong's clock, seconds: it decides what has expired. */
  now(): number {
    return this.#parts.kong.now()
  }

  /** @throws Problem SLUICE_MANAGER_READ_ONLY where nothing may be changed now. */
  refuseWhereReadOnly(): void {
    const reason = this.#parts.readOnly()
    if (reason !== undefined) throw new Problem('SLUICE_MANAGER_READ_ONLY', reason)
  }

  /**
   * Checks operations against the mirror, without waiting for anybody.
   *
   * @throws Problem with all faults.
   */
  async plan(request: ChangeRequest): Promise<Planned & { readonly schemas: Schemas }> {
    if (!(await this.#parts.mirror.readAt()))
      throw new Problem('SLUICE_MANAGER_UNAVAILABLE', 'Kong was not read yet')
    return this.#asking(async () => {
      const { slowKong, newId } = this.#parts
      const planned = request.file
        ? await planFile(slowKong, request.file, newId)
        : await this.#planOperations(request.operations)
      await this.#parts.policy.enforce({ ...request, ...planned })
      if (!request.acceptsIrreversible) refuseIrreversible(planned.steps.filter(isIrreversible))
      return planned
    })
  }

  async #planOperations(operations: ChangeRequest['operations']) {
    const { mirror, sealer, kong, store, newId } = this.#parts
    const schemas = await this.#parts.schemas.with(await wantedNames(operations, mirror))
    const planned = await planOperations(operations, {
      source: mirror,
      schemas,
      mirroring: new Mirroring(schemas, sealer),
      newId,
      now: () => kong.now(),
      stuck: await store.stuck(),
      validate: validateByKong(kong),
    })
    if (planned.faults.length > 0) throw problemOf(planned.faults)
    return { ...planned, schemas }
  }

  /**
   * Checks a change and puts it in the queue.
   *
   * @throws Problem with all faults; for an idempotency key that was used for something else.
   */
  async submit(submission: Submission): Promise<ChangeRow> {
    const { store, newId } = this.#parts
    this.refuseWhereReadOnly()
    const { idempotencyKey: key, fingerprint, request } = submission
    const digest = createHash('sha256').update(canonicalJson(fingerprint)).digest()
    // A repeated request is answered as it was, whatever has changed since.
    const known = key === undefined ? undefined : await store.findByKey(submission.operatorId, key)
    if (known) return this.#repeated(known.id, known.digest.equals(digest))
    if (!submission.isPastMirror) await this.plan(request)
    const id = newId()
    const { earlier } = await store.add({
      ...submission,
      id,
      ...(key !== undefined && { idempotency: { key, digest } }),
    })
    return earlier ? this.#repeated(earlier.id, earlier.isSame) : this.#found(id)
  }

  /** Waits until a change has ended, `ms` at most. */
  async waitForEnd(change: ChangeRow, ms: number): Promise<ChangeRow> {
    const { store, notices, timers } = this.#parts
    let latest = change
    let isTimeUp = false
    let wake = () => {}
    const callOff = timers.after(ms, () => {
      isTimeUp = true
      wake()
    })
    let isToLook = true
    const stopListening = notices.listen(payload => {
      if (payload !== '' && !payload.startsWith(change.id)) return
      isToLook = true
      wake()
    })
    try {
      while (!isEnded(latest.state) && !isTimeUp) {
        if (isToLook) {
          isToLook = false
          // PostgreSQL may be away for a while.
          latest = (await store.find(change.id).catch(() => undefined)) ?? latest
        } else
          await new Promise<void>(resolve => {
            wake = resolve
          })
      }
      return latest
    } finally {
      callOff()
      stopListening()
    }
  }

  async #repeated(id: string, isSame: boolean): Promise<ChangeRow> {
    if (!isSame)
      throw new Problem('SLUICE_MANAGER_INVALID', 'Idempotency-Key: was used for another request', {
        faults: [
          {
            pointer: '',
            code: 'idempotency_key',
            detail: 'Idempotency-Key: was used for another request; use another one',
          },
        ],
      })
    const change = await this.#found(id)
    if (!isEnded(change.state))
      throw new Problem('SLUICE_MANAGER_CONFLICT', `Idempotency-Key: change ${id} is still under way`, {
        headers: { location: `/v1/changes/${id}` },
      })
    return change
  }

  async #found(id: string): Promise<ChangeRow> {
    const change = await this.#parts.store.find(id)
    if (!change) throw new Problem('SLUICE_MANAGER_INTERNAL', `change ${id} is not there`)
    return change
  }

  /** Kong's answers in the words of the API. */
  async #asking<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (isTransient(error))
        throw new Problem('SLUICE_MANAGER_UNAVAILABLE', 'Kong does not answer', { cause: error })
      if (error instanceof AdminRefused) throw problemOf(faultsOfRefusal(error, ''))
      if (error instanceof SluiceError && error.code === 'SLUICE_ADMIN_WRONG')
        throw new Problem('SLUICE_MANAGER_UNAVAILABLE', error.message)
      throw error
    }
  }
}
