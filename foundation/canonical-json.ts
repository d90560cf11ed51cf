import { BoundedMap } from './bounded-map.ts'

export interface CanonicalOptions {
  /** What lies deeper is null; a value that refers to itself ends here. No limit where left out. */
  readonly maxDepth?: number
  /** What a string or a name is replaced by before it is written; itself where left out. */
  readonly replace?: (text: string) => string
  /** Leaves out members that are null. */
  readonly skipNull?: boolean
}

/**
 * Makes a writer of canonical JSON (RFC 8785): members sorted by their names' UTF-16 code units, no white space,
 * numbers and strings as ECMAScript prints them. The same value gives the same text.
 *
 * A number that is not finite is null. Members without a value are left out.
 */
export function createCanonicalJson({
  maxDepth = Number.POSITIVE_INFINITY,
  replace = text => text,
  skipNull = false,
}: CanonicalOptions = {}): (value: unknown) => string {
  const text = (value: string): string =>
    SPECIAL.test(value) ? JSON.stringify(replace(value)) : `"${value}"`
  const names = new BoundedMap<string>(NAMES_KEPT)
  const nameText = (name: string): string => {
    const known = names.get(name)
    if (known !== undefined) return known
    const quoted = text(name)
    names.set(name, quoted)
    return quoted
  }

  function write(value: unknown, depth: number): string {
    if (value === null || value === undefined || depth > maxDepth) return 'null'
    switch (typeof value) {
      case 'string':
        return text(value)
      case 'number':
        return Number.isFinite(value) ? String(Object.is(value, -0) ? 0 : value) : 'null'
      case 'boolean':
        return value ? 'true' : 'false'
      case 'bigint':
        return text(value.toString())
      case 'object':
        return composite(value, depth)
      default:
        return 'null'
    }
  }

  function composite(value: object, depth: number): string {
    if (Array.isArray(value)) return `[${value.map(item => write(item, depth + 1)).join(',')}]`
    if (value instanceof Date) return write(value.toJSON(), depth)
    const record = value as Record<string, unknown>
    let out = ''
    for (const name of Object.keys(record).sort()) {
      const member = record[name]
      if (member === undefined || typeof member === 'function' || (skipNull && member === null)) continue
      out += `${out === '' ? '' : ','}${nameText(name)}:${write(member, depth + 1)}`
    }
    return `{${out}}`
  }

  return value => write(value, 0)
}

/** Names of members are few, and come again and again: they are quoted once. */
const NAMES_KEPT = 1000

/** All but what stands in a JSON text as it is: surrogates, `"`, `\` and control characters. */
const SPECIAL = /[^ !#-[\]-\ud7ff\ue000-\uffff]/

/** Canonical JSON of what was read from JSON, to compare it. */
export const canonicalJson = createCanonicalJson()
