import { idIn, type Row } from './change.ts'
import type { Kind } from './kinds.ts'

/** The first field by which people know such an entity; undefined where none is filled in. Never a credential. */
export const nameOf = (kind: Kind, row: Row): string | undefined =>
  kind.shownBy.map(field => row[field]).find(value => typeof value === 'string')

/**
 * What a person knows an entity by: `plugin qos (service dictionary)`, `key-auth credential (consumer eddie)`.
 * Holds no credential.
 *
 * @param nameOfParent the name of the entity that a field refers to.
 */
export function labelOf(
  kind: Kind,
  row: Row,
  nameOfParent: (field: string, id: string) => string | undefined,
): string {
  const own = nameOf(kind, row)
  const fields = kind.references.map(({ field }) => field).filter(field => field !== 'client_certificate')
  const parents = fields.flatMap(field => {
    const id = idIn(row[field])
    return id === undefined ? [] : [`${field} ${nameOfParent(field, id) ?? id}`]
  })
  const name = own ?? (parents.length === 0 ? row.id : undefined)
  const where = parents.length === 0 ? '' : ` (${parents.join(', ')})`
  return `${kind.noun}${name === undefined ? '' : ` ${String(name)}`}${where}`
}
