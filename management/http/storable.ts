/** What PostgreSQL, and so Kong, cannot store. */

type Path = readonly (string | number)[]

export const UNSTORABLE = 'neither NUL nor half of a surrogate pair can be stored'

export const isStorable = (text: string): boolean => !text.includes('\0') && !/\p{Surrogate}/u.test(text)

/** Where a value holds such text. It must not be nested deeply. */
export function unstorableIn(value: unknown, path: Path = []): readonly Path[] {
  if (typeof value === 'string') return isStorable(value) ? [] : [path]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, item]) =>
    isStorable(name) ? unstorableIn(item, [...path, Array.isArray(value) ? Number(name) : name]) : [path],
  )
}
