/**
 * The parts of `kong.log.serialize()` that are read here, each checked for its type: the data comes from requests,
 * and any of it may be absent.
 */
export type Serialized = Readonly<Record<string, unknown>>

export const record = (value: unknown): Serialized =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Serialized) : {}

export const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

export const number = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined

/** A multi-map's values: Kong gives one as a string, several as an array, a flag without a value as true. */
export function values(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.filter(item => typeof item === 'string')
  return typeof value === 'string' ? [value] : []
}

/** The first value of a header; Kong's log data has lower-case names. */
export const header = (headers: unknown, name: string): string | undefined =>
  values(record(headers)[name])[0] || undefined
