import { messageOf } from '../../foundation/errors.ts'
import { isTransient } from '../../kong/admin/answer.ts'
import { idIn, type Row } from '../../kong/reconcile/change.ts'
import { KINDS } from '../../kong/reconcile/kinds.ts'
import { labelOf } from '../../kong/reconcile/label.ts'
import { isSame, normaliseCurrent } from '../../kong/reconcile/normalise.ts'
import type { Schemas } from '../../kong/reconcile/schemas.ts'
import { GuardedKong } from '../changes/guarded-kong.ts'
import type { HeldLease } from '../changes/lease.ts'
import type { ChangingParts } from '../changes/tenure-parts.ts'
import { type Difference, findDifferences } from './differences.ts'
import { isOfDiscovery } from './discovered.ts'
import { Mirroring } from './mirrored.ts'
import { readKong } from './reading.ts'

/** Differences that are looked at between two changes. */
const BATCH = 20

/** Finds what was changed past the manager, while it holds the lease. */
export class Drift {
  readonly #parts: ChangingParts
  readonly #lease: HeldLease
  readonly #kong: GuardedKong
  /** Something may be to do. */
  readonly #wake: () => void
  #isReading = false
  #nextAtMs: number
  #differences: Difference[] = []
  /** What is done with the mark when all differences were looked at. */
  #finish: (() => Promise<void>) | undefined

  constructor(parts: ChangingParts, lease: HeldLease, wake: () => void) {
    this.#parts = parts
    this.#lease = lease
    this.#kong = new GuardedKong(parts, lease)
    this.#wake = wake
    this.#nextAtMs = parts.clock.monotonic() + parts.timing.driftEveryMs
  }

  /**
   * Looks at some differences, between two changes. Begins a reading in the background where one is due.
   *
   * @returns whether there was something to do.
   * @throws where PostgreSQL or the lease is lost.
   */
  async work(): Promise<boolean> {
    const { drift, driftStore } = this.#parts
    if (drift === 'report') this.#differences.unshift(...(await driftStore.accepted()))
    const batch = this.#differences.splice(0, BATCH)
    for (const difference of batch) await this.#look(difference)
    if (this.#differences.length === 0 && this.#finish) {
      const finish = this.#finish
      this.#finish = undefined
      await finish()
    }
    if (!this.#isReading && this.#differences.length === 0 && this.#parts.clock.monotonic() >= this.#nextAtMs)
      void this.#read()
    return batch.length > 0
  }

  async #read(): Promise<void> {
    const { slowKong, schemas, sealer, mirror, clock, log, timing } = this.#parts
    this.#isReading = true
    const startedAtMs = clock.monotonic()
    try {
      const beganAt = await mirror.now()
      const reading = await readKong(slowKong, schemas, sealer)
      this.#differences = [...findDifferences(reading, await mirror.seen(), beganAt)]
      this.#finish = () => mirror.markRead(this.#lease.epoch, beganAt, reading.readOnly)
      this.#wake()
    } catch (error) {
      log.debug({ reason: messageOf(error) }, 'Kong could not be read')
    } finally {
      const tookMs = clock.monotonic() - startedAtMs
      this.#nextAtMs = clock.monotonic() + Math.max(timing.driftEveryMs, timing.driftPauseFactor * tookMs)
      this.#isReading = false
    }
  }

  /** A difference counts when a second look, under the lease, sees one, too. */
  async #look({ kind, id, found }: Difference): Promise<void> {
    const { mirror, schemas, sealer, log } = this.#parts
    try {
      const known = await mirror.find(kind, id)
      const row = await this.#kong.find(pathOf(kind, id, found ?? known))
      const mirroring = new Mirroring(await schemas.with(namesOf(kind, row ?? known)), sealer)
      await this.#compare({ kind, id, known, row }, mirroring)
    } catch (error) {
      // The next reading finds it again.
      if (!isTransient(error)) throw error
      log.debug({ reason: messageOf(error) }, 'a difference could not be looked at')
    }
  }

  async #compare(look: Look, mirroring: Mirroring): Promise<void> {
    const { mirror, schemas, drift, driftStore } = this.#parts
    const { kind, id, known, row } = look
    const { epoch } = this.#lease
    const fields = schemas.known ? changedFields(look, schemas.known) : []
    const isDifferent = known === undefined || row === undefined || fields.length > 0
    if (known === undefined && row === undefined) {
      // Kong has dropped it by itself.
      await mirror.adopt(epoch, [], [{ kind, id }])
      return
    }
    const isReported = isDifferent && !isOfDiscovery(row ?? known)
    if (isReported && drift === 'report' && !(await driftStore.isAccepted(kind, id))) {
      const isNew = await driftStore.report(epoch, { ...this.#describe(look, fields, mirroring), kind, id })
      if (isNew) await this.#tell(look, fields, mirroring)
      return
    }
    if (isReported && drift === 'adopt') await this.#tell(look, fields, mirroring)
    const present = row ? [mirroring.mirrored(mirroring.current(kind, row, this.#kong.now()))] : []
    await mirror.adopt(epoch, present, row ? [] : [{ kind, id }])
  }

  #tell(look: Look, fields: readonly string[], mirroring: Mirroring): Promise<void> {
    const { label, ...described } = this.#describe(look, fields, mirroring)
    const adopted = this.#parts.drift === 'adopt'
    return this.#parts.events.publish({
      type: 'gateway.drift.detected.v1',
      subject: `${look.kind}/${look.id}`,
      data: { kind: look.kind, id: look.id, name: label, ...described, adopted },
    })
  }

  #describe({ kind, known, row }: Look, fields: readonly string[], { mask }: Mirroring) {
    const action = known === undefined ? 'created' : row === undefined ? 'deleted' : 'updated'
    return {
      label: labelOf(KINDS[kind], row ?? known ?? {}, () => undefined),
      action,
      fields,
      ...(known && { before: mask.row(kind, known) }),
      ...(row && { after: mask.row(kind, row) }),
    } as const
  }
}

/** An entity as the mirror knows it and as Kong shows it. */
interface Look extends Pick<Difference, 'kind' | 'id'> {
  readonly known: Row | undefined
  readonly row: Row | undefined
}

function changedFields({ kind, known, row }: Look, schemas: Schemas): readonly string[] {
  if (!known || !row) return []
  const before = normaliseCurrent(kind, known, schemas)
  const after = normaliseCurrent(kind, row, schemas)
  const fields = schemas.of(kind)?.fieldsFor(row)
  return Object.keys(after).filter(name => !isSame(before[name], after[name], fields?.get(name)))
}

function pathOf(kind: Difference['kind'], id: string, row: Row | undefined): string {
  const { path, within } = KINDS[kind]
  if (within === undefined) return `/${path}/${id}`
  return `/upstreams/${idIn(row?.[within])}/${path}/${id}`
}

const namesOf = (kind: Difference['kind'], row: Row | undefined) =>
  (kind === 'plugins' || kind === 'vaults') && typeof row?.name === 'string' ? { [kind]: [row.name] } : {}
