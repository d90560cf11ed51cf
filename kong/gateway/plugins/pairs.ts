import { toBytes } from '../pdk/text.ts'

/** A `name:value` of a transformer; the value is undefined where there is none. */
export interface Pair {
  readonly name: string
  readonly value: string | undefined
}

/** The pairs of a list of headers, whose values go onto the wire as they are. */
export const readHeaderPairs = (entries: readonly string[]): readonly Pair[] =>
  readPairs(entries).map(({ name, value }) => ({ name, value: value && toBytes(value) }))

/** Reads a list of pairs as Kong does: several colons count as one, and an empty value as none. */
export const readPairs = (entries: readonly string[]): readonly Pair[] =>
  entries.map(entry => {
    const [, name = entry, value = ''] = /^([^:]+):*([\s\S]*)$/.exec(entry) ?? []
    return { name, value: value === '' ? undefined : value }
  })

/** Appends a value to those that are there; one that is not text is replaced, as in Kong. */
export function appendValue(present: unknown, value: unknown): unknown[] {
  if (typeof present === 'string') return [present, value]
  return Array.isArray(present) ? [...present, value] : [value]
}
