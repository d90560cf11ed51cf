import { createHash } from 'node:crypto'
import type { Row } from './change.ts'
import { KINDS, type Kind, type KindName } from './kinds.ts'
import { canonical } from './normalise.ts'

/** Finds entities by id, by name, and by the fields that say which one is meant. */
export interface Identities<T> {
  add(item: T & { readonly kind: KindName }, row: Row): void
  byId(kind: KindName, id: string): T | undefined
  /**
   * By the first identity of the row that is filled in and known.
   *
   * @param isClaimed items that only their main identity finds: another declared entity means them by it.
   */
  find(kind: Kind, row: Row, isClaimed?: (item: T) => boolean): T | undefined
  /** By id, or by a name. */
  named(kind: KindName, name: string): T | undefined
  isIdentified(kind: Kind, row: Row): boolean
}

/** The identity that some fields make, as a key; undefined when a single field is not filled in. */
export function identityKey(kind: KindName, fields: readonly string[], row: Row): string | undefined {
  const values = fields.map(field => row[field] ?? null)
  // The first field must be there; of the others a null is a value: a plugin without a route.
  if (values[0] === null) return undefined
  return JSON.stringify([kind, ...fields, ...values.map(idOf)])
}

/** References count by their id. */
const idOf = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && 'id' in value ? value.id : value

/** A UUID (version 8) that the content makes: the same each time for what stays the same. */
export function deriveId(content: unknown): string {
  const digest = createHash('sha256').update(canonical(content)).digest('hex')
  const variant = '89ab'[Number.parseInt(digest.charAt(16), 16) % 4]
  return [
    digest.slice(0, 8),
    digest.slice(8, 12),
    `8${digest.slice(13, 16)}`,
    `${variant}${digest.slice(17, 20)}`,
    digest.slice(20, 32),
  ].join('-')
}

export function createIdentities<T>(): Identities<T> {
  const ids = new Map<string, T>()
  const keys = new Map<string, T>()
  const keysOf = (kind: Kind, row: Row) =>
    kind.identity.flatMap(fields => identityKey(kind.name, fields, row) ?? [])
  const mainKey = (kind: Kind, row: Row) => identityKey(kind.name, kind.identity[0] ?? [], row)
  return {
    add(item, row) {
      ids.set(`${item.kind}:${String(row.id)}`, item)
      for (const key of keysOf(KINDS[item.kind], row)) keys.set(key, item)
    },
    byId: (kind, id) => ids.get(`${kind}:${id}`),
    find(kind, row, isClaimed = () => false) {
      const main = mainKey(kind, row)
      for (const key of keysOf(kind, row)) {
        const item = keys.get(key)
        if (item && (key === main || !isClaimed(item))) return item
      }
      return undefined
    },
    named(kind, name) {
      const byId = ids.get(`${kind}:${name}`)
      if (byId) return byId
      for (const [field, ...others] of KINDS[kind]?.identity ?? []) {
        const item = others.length === 0 ? keys.get(JSON.stringify([kind, field, name])) : undefined
        if (item) return item
      }
      return undefined
    },
    isIdentified: (kind, row) => keysOf(kind, row).length > 0,
  }
}
