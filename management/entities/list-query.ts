import type { KindName } from '../../kong/reconcile/kinds.ts'
import { ALIVE } from '../mirror/store.ts'
import type { Cursor } from './cursor.ts'

export const SORTS = ['name', '-name', 'created_at', '-created_at'] as const

export type Sort = (typeof SORTS)[number]

export interface ListFilter {
  readonly kind: KindName
  /** Part of a name, host, path or tag; upper and lower case are the same. */
  readonly q?: string
  /** All of these, or any of them. */
  readonly tags?: { readonly names: readonly string[]; readonly isAny: boolean }
  readonly enabled?: boolean
  /** Ids of the entities that the listed ones refer to, by column. */
  readonly references: Readonly<Record<string, string>>
}

export interface ListQuery extends ListFilter {
  readonly sort: Sort
  readonly size: number
  readonly after: Cursor | undefined
}

export interface Sql {
  readonly name?: string
  readonly text: string
  readonly values: unknown[]
}

/** A page of entities and one more, which says that there are others. */
export function pageSql({ sort, size, after, ...filter }: ListQuery): Sql {
  const { where, values } = conditions(filter)
  const column = sort.replace('-', '')
  const [direction, compare] = sort.startsWith('-') ? ['desc', '<'] : ['asc', '>']
  const bound = after ? [after.value, after.id] : []
  const behind = after
    ? `and (${column}, id) ${compare} ($${values.length + 1}, $${values.length + 2}::uuid)`
    : ''
  const limit = `$${values.length + bound.length + 1}`
  return {
    // A list without filters is asked for most, and is planned once.
    ...(values.length === 1 && { name: `list-${sort}-${after ? 'after' : 'first'}` }),
    text: `select id, json, ${column} as value, expires_at from sluice_manager.entities
      where ${where} ${ALIVE} ${behind} order by ${column} ${direction}, id ${direction} limit ${limit}`,
    values: [...values, ...bound, size + 1],
  }
}

export function countSql(filter: ListFilter): Sql {
  const { where, values } = conditions(filter)
  return {
    text: `select count(*)::int as count from sluice_manager.entities where ${where} ${ALIVE}`,
    values,
  }
}

function conditions({ kind, q, tags, enabled, references }: ListFilter) {
  const values: unknown[] = [kind]
  const parts = ['kind = $1']
  const add = (part: (place: string) => string, value: unknown) => {
    values.push(value)
    parts.push(part(`$${values.length}`))
  }
  if (q !== undefined) add(place => `text like ${place}`, `%${q.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`)
  if (tags) add(place => `tags ${tags.isAny ? '&&' : '@>'} ${place}::text[]`, tags.names)
  if (enabled !== undefined) add(place => `enabled = ${place}`, enabled)
  for (const [column, id] of Object.entries(references)) add(place => `${column} = ${place}::uuid`, id)
  return { where: parts.join(' and '), values }
}
