import { isUuid } from '../../foundation/uuid.ts'
import type { AdminClient } from '../../kong/admin/client.ts'
import { idIn, type Row } from '../../kong/reconcile/change.ts'
import { KINDS, type KindName, PARENTS_OF } from '../../kong/reconcile/kinds.ts'
import { byReference, type Source } from '../../management/changes/source.ts'

/** What there is, from the Admin API alone: everything is looked for anew. */
export class AdminSource implements Source {
  readonly #client: AdminClient

  constructor(client: AdminClient) {
    this.#client = client
  }

  async find(kind: KindName, key: string): Promise<Row | undefined> {
    const { endpointKey = 'id', within, path } = KINDS[kind]
    if (within === undefined && !key.includes('/'))
      return this.#client.find(`/${path}/${encodeURIComponent(key)}`).catch(() => undefined)
    const field = isUuid(key) ? 'id' : endpointKey
    return (await this.#all(kind)).find(row => row[field] === key)
  }

  async referring(kind: KindName, field: string, id: string): Promise<readonly Row[]> {
    return (await this.#all(kind)).filter(row => idIn(row[field]) === id)
  }

  async referringAny(kind: KindName, field: string, ids: readonly string[]) {
    return byReference(ids, field, await this.#all(kind))
  }

  async findBy(kind: KindName, fields: Row): Promise<Row | undefined> {
    const isSame = (a: unknown, b: unknown) =>
      a === b || (idIn(a) !== undefined && idIn(a) === idIn(b)) || (a ?? null) === (b ?? null)
    return (await this.#all(kind)).find(row =>
      Object.entries(fields).every(([name, value]) => isSame(row[name], value)),
    )
  }

  async trusting(id: string): Promise<readonly Row[]> {
    const rows = await this.#all('services')
    return rows.filter(row => (row.ca_certificates as readonly string[] | null)?.includes(id))
  }

  async #all(kind: KindName): Promise<readonly Row[]> {
    const { within, path, nestedPath } = KINDS[kind]
    if (within === undefined) return (await this.#client.list(`/${path}`)) ?? []
    const owner = PARENTS_OF.get(within)
    if (owner === undefined) throw new Error(`${within} is no reference`)
    const owners = await this.#all(owner)
    const lists = await Promise.all(
      owners.map(({ id }) => this.#client.list(`/${KINDS[owner].path}/${String(id)}/${nestedPath}`)),
    )
    return lists.flatMap(list => list ?? [])
  }
}
