import { isUuid } from '../../foundation/uuid.ts'
import { mapAtOnce } from '../../kong/admin/at-once.ts'
import { idIn, type Row } from '../../kong/reconcile/change.ts'
import { KINDS, type KindName, PARENTS_OF } from '../../kong/reconcile/kinds.ts'
import { isNamedBySecret } from '../mirror/mirrored.ts'
import type { GuardedKong } from './guarded-kong.ts'

/** Where a change finds what there is: the mirror, or Kong itself. Rows are as Kong reports them, with secrets. */
export interface Source {
  /** @param key an id, or the name that stands in paths. */
  find(kind: KindName, key: string): Promise<Row | undefined>
  /** Entities of a kind whose reference leads to an entity. */
  referring(kind: KindName, field: string, id: string): Promise<readonly Row[]>
  /** The same for several entities, by their ids. */
  referringAny(
    kind: KindName,
    field: string,
    ids: readonly string[],
  ): Promise<ReadonlyMap<string, readonly Row[]>>
  /** The entity with these values in these fields, which are no secrets. */
  findBy(kind: KindName, fields: Row): Promise<Row | undefined>
  /** Services that trust a CA certificate. */
  trusting(id: string): Promise<readonly Row[]>
}

/** A source that knows how large collections are. */
export interface CountedSource extends Source {
  count(kind: KindName): Promise<number>
}

/** A collection is read as a whole where it holds no more than so many times the entities to which its own may refer. */
const WORTH_READING = 20

/** Kong itself. What it cannot be asked for is taken from the mirror: it only says where to look. */
export class KongSource implements Source {
  readonly #kong: GuardedKong
  readonly #mirror: CountedSource

  constructor(kong: GuardedKong, mirror: CountedSource) {
    this.#kong = kong
    this.#mirror = mirror
  }

  async find(kind: KindName, key: string): Promise<Row | undefined> {
    const { path, within, endpointKey } = KINDS[kind]
    if (!isUuid(key) && (endpointKey === undefined || isNamedBySecret(kind))) return undefined
    if (within === undefined) return this.#kong.find(`/${path}/${encodeURIComponent(key)}`)
    const known = await this.#mirror.find(kind, key)
    const owner = idIn(known?.[within])
    if (!known || owner === undefined) return undefined
    return this.#kong.find(`/${pathOfOwner(within)}/${owner}/${path}/${String(known.id)}`)
  }

  async referring(kind: KindName, field: string, id: string): Promise<readonly Row[]> {
    const owner = pathOfOwner(field)
    // Without wasm Kong answers 400 for filter chains, and holds none.
    const rows = await this.#kong
      .list(`/${owner}/${id}/${KINDS[kind].nestedPath}`)
      .catch((error: unknown) => {
        if (kind === 'filter_chains' && (error as { status?: number }).status === 400) return []
        throw error
      })
    return (rows ?? []).filter(row => idIn(row[field]) === id)
  }

  /** One request of Kong gives as much as a thousand others: whole collections, unless they are large. */
  async referringAny(kind: KindName, field: string, ids: readonly string[]) {
    const { within, path } = KINDS[kind]
    const isWhole =
      within === undefined &&
      kind !== 'filter_chains' &&
      ids.length > 1 &&
      (await this.#mirror.count(kind)) <= WORTH_READING * ids.length
    if (isWhole) return byReference(ids, field, (await this.#kong.list(`/${path}`)) ?? [])
    const lists = await mapAtOnce(ids, async id => [id, await this.referring(kind, field, id)] as const)
    return new Map(lists)
  }

  /** Names are asked for; of other unique values Kong itself says that they are taken. */
  async findBy(kind: KindName, fields: Row): Promise<Row | undefined> {
    const { endpointKey } = KINDS[kind]
    const name = endpointKey === undefined ? undefined : fields[endpointKey]
    if (typeof name !== 'string' || Object.keys(fields).length > 1) return undefined
    const row = await this.find(kind, name)
    // A name that looks like an id is taken for one.
    return row?.[endpointKey ?? ''] === name ? row : undefined
  }

  async trusting(id: string): Promise<readonly Row[]> {
    const rows = await mapAtOnce(await this.#mirror.trusting(id), row =>
      this.find('services', String(row.id)),
    )
    return rows.filter(
      row => row !== undefined && (row.ca_certificates as readonly string[] | null)?.includes(id),
    ) as Row[]
  }
}

/** Rows by the id that a reference holds, those of each of the ids. */
export function byReference(
  ids: readonly string[],
  field: string,
  rows: readonly Row[],
): ReadonlyMap<string, readonly Row[]> {
  const found = new Map<string, Row[]>(ids.map(id => [id, []]))
  for (const row of rows) found.get(String(idIn(row[field])))?.push(row)
  return found
}

const pathOfOwner = (field: string): string => {
  const kind = PARENTS_OF.get(field)
  if (!kind) throw new Error(`${field} is no reference`)
  return KINDS[kind].path
}
