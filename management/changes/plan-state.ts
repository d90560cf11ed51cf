import { type Change, idIn, type Row } from '../../kong/reconcile/change.ts'
import { KINDS, type Kind, type KindName } from '../../kong/reconcile/kinds.ts'
import { labelOf, nameOf } from '../../kong/reconcile/label.ts'
import type { Current } from '../../kong/reconcile/read.ts'
import type { Schemas } from '../../kong/reconcile/schemas.ts'
import type { Mirroring } from '../mirror/mirrored.ts'
import type { FaultKind, KindedFault } from './fault.ts'
import type { Source } from './source.ts'

export interface PlanParts {
  readonly source: Source
  readonly schemas: Schemas
  readonly mirroring: Mirroring
  readonly newId: () => string
  /** Kong's clock, seconds. */
  readonly now: () => number
  /** Whether an entity could not be put back by an earlier change, as `kind:id`. */
  readonly stuck: ReadonlySet<string>
  /** Deletions with what Kong deletes along and cannot be put back. */
  readonly noteLosses?: (changes: readonly Change[]) => Promise<readonly Change[]>
  /** What Kong's own validation has against an entity. */
  readonly validate?: (kind: KindName, body: Row, pointer: string) => Promise<readonly KindedFault[]>
}

/** What there is, as it will be after the operations that were planned so far; and what is wrong with them. */
export class PlanState {
  readonly parts: PlanParts
  readonly faults: KindedFault[] = []
  readonly changes: Change[] = []
  /** Unique values that this change gives. */
  readonly given = new Set<string>()
  /** Entities of each kind as they will be, by id; null for those that will be gone. */
  readonly #after = new Map<KindName, Map<string, Row | null>>()
  /** Ids of those that will be, by the name that stands in paths. */
  readonly #idsByName = new Map<string, string>()
  /** New entities that something is wrong with, by id and by name. */
  readonly #failed = new Set<string>()
  /** Names for labels, of all that was looked at. */
  readonly #names = new Map<string, string>()

  constructor(parts: PlanParts) {
    this.parts = parts
  }

  /** @returns false, for whoever asks whether to go on. */
  fault(kind: FaultKind, pointer: string, code: string, detail: string): false {
    this.faults.push({ kind, pointer, code, detail })
    return false
  }

  /** The entity as it will be; null where it will be gone, undefined where nothing was planned. */
  after(kind: KindName, id: unknown): Row | null | undefined {
    return this.#after.get(kind)?.get(String(id))
  }

  /** @param key an id, or the name that stands in paths. */
  async find(kind: KindName, key: string): Promise<Current | undefined> {
    const id = this.#idsByName.get(`${kind}:${key}`) ?? key
    const row = this.after(kind, id) ?? (await this.parts.source.find(kind, key))
    if (!row || this.after(kind, row.id) === null) return undefined
    this.#noteName(KINDS[kind], row)
    return this.current(kind, row)
  }

  /** Entities of a kind whose reference will lead to an entity. */
  async referring(kind: KindName, field: string, id: string): Promise<readonly Row[]> {
    const present = await this.parts.source.referring(kind, field, id)
    const rows = new Map<string, Row>(present.map(row => [String(row.id), row]))
    for (const [key, row] of this.#after.get(kind) ?? []) {
      if (row) rows.set(key, row)
      else rows.delete(key)
    }
    return [...rows.values()].filter(row => idIn(row[field]) === id)
  }

  current(kind: KindName, row: Row): Current {
    return this.parts.mirroring.current(kind, row, this.parts.now())
  }

  /** What a person knows an entity by, with the names of those to which it belongs. */
  async label(kind: Kind, row: Row): Promise<string> {
    for (const { field, to } of kind.references) {
      const id = idIn(row[field])
      if (id !== undefined && !this.#names.has(`${to}:${id}`)) await this.find(to as KindName, id)
    }
    return labelOf(kind, row, (field, id) => {
      const to = kind.references.find(reference => reference.field === field)?.to
      return this.#names.get(`${to}:${id}`)
    })
  }

  /** Something is wrong with a new entity: that it is not there is not told again by whoever refers to it. */
  noteFailed({ name, endpointKey, unique }: Kind, body: Row): void {
    for (const field of ['id', endpointKey, ...unique])
      if (field !== undefined && typeof body[field] === 'string') this.#failed.add(`${name}:${body[field]}`)
  }

  hasFailed(kind: KindName, key: string): boolean {
    return this.#failed.has(`${kind}:${key}`)
  }

  add(change: Change): void {
    this.changes.push(change)
    if (change.after) this.note(KINDS[change.kind], { ...change.after, id: change.id })
    else this.#setAfter(change.kind, change.id, null)
  }

  /** Remembers an entity as it will be. */
  note(kind: Kind, row: Row): void {
    const id = String(row.id)
    this.#setAfter(kind.name, id, row)
    const pathName = row[kind.endpointKey ?? '']
    if (typeof pathName === 'string') this.#idsByName.set(`${kind.name}:${pathName}`, id)
    this.#noteName(kind, row)
  }

  #setAfter(kind: KindName, id: string, row: Row | null): void {
    const known = this.#after.get(kind) ?? new Map<string, Row | null>()
    this.#after.set(kind, known.set(id, row))
  }

  #noteName(kind: Kind, row: Row): void {
    const name = nameOf(kind, row)
    if (name !== undefined) this.#names.set(`${kind.name}:${String(row.id)}`, name)
  }
}
