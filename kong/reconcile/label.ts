import type { Kind } from './kinds.ts'

type Row = Readonly<Record<string, unknown>>

/**
 * What a person knows an entity by: `plugin qos (service dictionary)`, `key-auth credential (consumer eddie)`.
 * Holds no credential.
 *
 * @param nameOf the name of the entity that a field refers to.
 */
export function labelOf(
  kind: Kind,
  row: Row,
  nameOf: (field: string, id: string) => string | undefined,
): string {
  const own = kind.shownBy.map(field => row[field]).find(value => typeof value === 'string')
  const fields = kind.references.map(({ field }) => field).filter(field => field !== 'client_certificate')
  const parents = fields.flatMap(field => {
    const id = (row[field] as { id?: string } | null | undefined)?.id
    return id === undefined ? [] : [`${field} ${nameOf(field, id) ?? id}`]
  })
  const name = own ?? (parents.length === 0 ? row.id : undefined)
  const where = parents.length === 0 ? '' : ` (${parents.join(', ')})`
  return `${kind.noun}${name === undefined ? '' : ` ${String(name)}`}${where}`
}
