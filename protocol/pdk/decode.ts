/** Readers of Kong's replies, which both protocols give in shapes of their own. */
import type { HeaderMap, QueryMap } from './entities.ts'

export type Fields = Readonly<Record<string, unknown>>

export const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined
export const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)
export const list = (value: unknown): readonly string[] => (Array.isArray(value) ? value : [])
export const object = (value: unknown): Fields | undefined =>
  typeof value === 'object' && value !== null ? (value as Fields) : undefined

export const isTrue = (value: unknown): boolean => value === true

export const bytes = (value: unknown): Uint8Array =>
  value instanceof Uint8Array ? value : Buffer.from(typeof value === 'string' ? value : '')

/** As modules for Kong's JavaScript plugin server get them: text. */
export const bytesToText = (value: Uint8Array): string => Buffer.from(value).toString()

/** MsgPack gives every header as a list; a header that came once is a string here. */
export function headers(value: unknown): HeaderMap {
  const map: Record<string, string | readonly string[]> = {}
  for (const [name, item] of Object.entries(object(value) ?? {})) {
    if (Array.isArray(item)) map[name] = item.length === 1 ? String(item[0]) : item.map(String)
    else map[name] = item === true ? '' : String(item)
  }
  return map
}

/** MsgPack gives every argument as a list, an empty one for an argument without a value. */
export function query(value: unknown): QueryMap {
  const one = (item: unknown): string | true => (item === true ? true : String(item))
  return Object.fromEntries(
    Object.entries(object(value) ?? {}).map(([name, item]) => {
      if (!Array.isArray(item)) return [name, one(item)]
      if (item.length === 0) return [name, true]
      return [name, item.length === 1 ? one(item[0]) : item.map(one)]
    }),
  )
}

/** As Kong's JavaScript plugin server gives them: every value a list; an argument without a value an empty one. */
export function listsOf(map: HeaderMap | QueryMap): Record<string, readonly unknown[]> {
  const listOf = (value: unknown) => (Array.isArray(value) ? value : value === true ? [] : [value])
  return Object.fromEntries(Object.entries(map).map(([name, value]) => [name, listOf(value)]))
}
