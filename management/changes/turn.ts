import { SluiceError } from '../../foundation/errors.ts'
import { AdminRefused, isTransient, isUncertain } from '../../kong/admin/answer.ts'
import { AT_ONCE } from '../../kong/admin/at-once.ts'
import { wait } from '../../kong/admin/retry.ts'
import { noteLosses } from '../../kong/reconcile/losses.ts'
import { createMask, type Mask } from '../../kong/reconcile/mask.ts'
import type { Schemas } from '../../kong/reconcile/schemas.ts'
import { execute, type Run, type RunParts } from '../../kong/reconcile/steps/execute.ts'
import { createImages } from '../../kong/reconcile/steps/images.ts'
import type { Step } from '../../kong/reconcile/steps/steps.ts'
import { Problem } from '../http/problem.ts'
import { Mirroring } from '../mirror/mirrored.ts'
import type { ChangeRequest, ChangeRow } from './change-record.ts'
import { faultsOfRefusal, problemOf } from './fault.ts'
import { GuardedKong } from './guarded-kong.ts'
import { isIrreversible, refuseIrreversible } from './irreversible.ts'
import { type ChangeJournal, createJournal } from './journal.ts'
import type { HeldLease } from './lease.ts'
import type { Ledger } from './ledger.ts'
import { planFile } from './plan-file.ts'
import { type Planned, planOperations } from './planner.ts'
import { KongSource } from './source.ts'
import type { ChangingParts } from './tenure-parts.ts'
import { validateByKong } from './validate.ts'
import { wantedNames } from './wanted-names.ts'

/** Steps at once. */
export const CONCURRENCY = AT_ONCE

/** One change under the lease: planned against Kong itself, recorded, executed. */
export class Turn {
  readonly #parts: ChangingParts
  readonly #lease: HeldLease
  readonly kong: GuardedKong
  readonly ledger: Ledger

  constructor(parts: ChangingParts, lease: HeldLease) {
    this.#parts = parts
    this.#lease = lease
    this.kong = new GuardedKong(parts, lease)
    this.ledger = parts.store.ledger(lease.epoch)
  }

  get epoch(): number {
    return this.#lease.epoch
  }

  /** Makes a change, or leaves it `undoing` with its reason. @throws where the lease or PostgreSQL is lost. */
  async apply(change: ChangeRow): Promise<void> {
    const request = await this.#parts.store.request(change)
    if (!request) throw new Error(`change ${change.id} has no request`)
    const planned = await this.#planOrRefuse(change, request)
    if (!planned) return
    const { steps, schemas } = planned
    const mask = maskOf(schemas, steps)
    const shown = steps.map(step => ({ ...step, shown: shownOf(step, mask) }))
    const target = request.operations.length === 1 ? planned.targets[0] : undefined
    await this.ledger.begin(change, shown, target)
    const run = await execute(
      steps,
      { concurrency: CONCURRENCY, retryForMs: 0, settle: this.#parts.timing.settle },
      this.runParts(change, schemas, mask),
    )
    if (!run.failure && !run.isInterrupted) return this.ledger.setState(change, 'applied')
    await this.ledger.setState(change, 'undoing', failureOf(run, request, planned, mask).body)
    await this.#parts.queue()?.publish(change.id)
  }

  /** What the executor of steps needs, under this lease. */
  runParts(change: ChangeRow, schemas: Schemas, mask: Mask): RunParts & { readonly journal: ChangeJournal } {
    const { sealer, clock, random } = this.#parts
    const { ledger } = this
    const mirroring = new Mirroring(schemas, sealer)
    const now = () => this.kong.now()
    return {
      kong: this.kong,
      journal: createJournal({ ledger, change, mirroring, mask, now }),
      images: createImages(schemas),
      retry: { monotonic: () => clock.monotonic(), random, wait: ms => wait(ms, this.#lease.lost) },
    }
  }

  async #planOrRefuse(change: ChangeRow, request: ChangeRequest) {
    try {
      const planned = await this.#plan(request)
      await this.#parts.policy.enforce({ ...request, ...planned })
      if (!request.acceptsIrreversible) refuseIrreversible(planned.steps.filter(isIrreversible))
      return planned
    } catch (error) {
      await this.ledger.setState(change, 'refused', refusalOf(error).body)
      return undefined
    }
  }

  async #plan({ operations, file }: ChangeRequest): Promise<Planned & { readonly schemas: Schemas }> {
    const { newId, store, sealer, mirror, slowKong, schemas: source } = this.#parts
    if (file) return planFile(slowKong, file, newId)
    const schemas = await source.with(await wantedNames(operations, mirror))
    const hasApplications = await mirror.hasAny('oauth2_credentials')
    const planned = await planOperations(operations, {
      source: new KongSource(this.kong, mirror),
      schemas,
      mirroring: new Mirroring(schemas, sealer),
      newId,
      now: () => this.kong.now(),
      stuck: await store.stuck(),
      noteLosses: changes => noteLosses(this.kong, changes, hasApplications),
      validate: validateByKong(this.kong),
    })
    if (planned.faults.length > 0) throw problemOf(planned.faults)
    return { ...planned, schemas }
  }
}

/** Knows the secrets of the steps. */
export const maskOf = (schemas: Schemas, steps: readonly Step[]): Mask =>
  createMask(schemas, [], function* () {
    for (const { change } of steps)
      for (const fields of [change.body, change.before, change.after])
        if (fields) yield { kind: change.kind, fields }
  })

const shownOf = ({ change: { kind, before, after } }: Step, mask: Mask) => ({
  ...(before && { before: mask.row(kind, before) }),
  ...(after && { after: mask.row(kind, after) }),
})

/** Why a change was not begun. Whatever it was, nothing was done. */
function refusalOf(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (isTransient(error))
    return new Problem(
      'SLUICE_MANAGER_UNAVAILABLE',
      `Kong does not answer as it should: ${(error as Error).message}`,
    )
  if (error instanceof AdminRefused) return problemOf(faultsOfRefusal(error, ''))
  if (error instanceof SluiceError && /^SLUICE_(STATE|APPLY|ADMIN)/.test(error.code))
    return new Problem(
      error.code === 'SLUICE_STATE_INVALID' ? 'SLUICE_MANAGER_INVALID' : 'SLUICE_MANAGER_CONFLICT',
      error.message,
    )
  throw error
}

const VERBS = { create: 'creating', update: 'changing', delete: 'deleting' } as const

/** Why a change is undone. */
function failureOf(
  { failure }: Run,
  { operations }: ChangeRequest,
  { targets }: Planned,
  mask: Mask,
): Problem {
  if (!failure) return new Problem('SLUICE_MANAGER_FAILED', 'the change was interrupted and undone')
  const { step, error } = failure
  const { kind, id, action, label } = step.change
  const text = mask.text(error instanceof Error ? error.message : String(error))
  if (error instanceof AdminRefused && !isUncertain(error)) {
    const i = targets.findIndex(target => target?.kind === kind && target.id === id)
    const faults = faultsOfRefusal(error, operations[i]?.pointer ?? '')
    return problemOf(faults.map(fault => ({ ...fault, detail: mask.text(fault.detail) })))
  }
  return new Problem('SLUICE_MANAGER_FAILED', `${VERBS[action]} ${label} failed: ${text}`)
}
