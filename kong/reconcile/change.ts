import type { Row } from '../admin/client.ts'
import { type KindName, PARENTS_OF } from './kinds.ts'

export type { Row } from '../admin/client.ts'

/** One change of one entity: plain data, so that it can be kept as JSON. */
export interface Change {
  readonly action: 'create' | 'update' | 'delete'
  readonly kind: KindName
  readonly id: string
  /** For people; holds no credential. */
  readonly label: string
  /** Complete and comparable; undefined before a creation and after a deletion. */
  readonly before: Row | undefined
  readonly after: Row | undefined
  /** Fields that change; of a new entity those that were declared. */
  readonly fields: readonly string[]
  /** What is sent: the whole of a new entity, the changed fields of an existing one. */
  readonly body: Row
  /** As Kong reported it before: undoing restores from it. */
  readonly row: Row | undefined
  /** What Kong deletes with the entity and nothing can restore: runtime data, such as tokens. */
  readonly loses?: string
  /** When Kong will drop the entity by itself, seconds since the epoch by Kong's clock. */
  readonly expiresAt?: number
}

/** The id that a reference holds; undefined where it holds none. */
export function idIn(value: unknown): string | undefined {
  const id = (value as { readonly id?: unknown } | null | undefined)?.id
  return typeof id === 'string' ? id : undefined
}

/** The entities that one refers to, as `kind:id`. */
export function parentsOf(row: Row | undefined): readonly string[] {
  if (!row) return []
  const parents = [...PARENTS_OF].flatMap(([field, kind]) => {
    const id = idIn(row[field])
    return id === undefined ? [] : [`${kind}:${id}`]
  })
  // Services and upstreams name their CA certificates by a list of ids.
  const authorities = Array.isArray(row.ca_certificates) ? row.ca_certificates : []
  return [...parents, ...authorities.map(id => `ca_certificates:${String(id)}`)]
}

/** Why Kong could not be made to hold the entity as it was before; undefined where it can. */
export function irreversibleReason(
  change: Pick<Change, 'action' | 'kind' | 'fields' | 'before' | 'loses'>,
): string | undefined {
  const { action, kind, fields, before, loses } = change
  if (action === 'create') return undefined
  if (loses !== undefined) return `Kong deletes ${loses} along`
  if (kind === 'basicauth_credentials' && (action === 'delete' || fields.includes('password')))
    return 'Kong keeps a hash of the password only'
  if (kind === 'oauth2_credentials' && action === 'delete' && before?.hash_secret === true)
    return 'Kong keeps a hash of the secret only'
  return undefined
}
