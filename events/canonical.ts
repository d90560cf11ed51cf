import { BoundedMap } from '../foundation/bounded-map.ts'

/** Deeper than any event of ours; a value that refers to itself ends here too. */
const MAX_DEPTH = 32

/**
 * The canonical JSON text of a value (RFC 8785): members sorted by their names' UTF-16 code units, no white space,
 * numbers and strings as ECMAScript prints them. The same value gives the same bytes, also after a journey through
 * PostgreSQL's `jsonb`, which orders members in its own way.
 *
 * What JSON or `jsonb` can't hold is replaced first: NUL by the six characters of its escape, half a surrogate pair
 * by U+FFFD, a number that is not finite by null. Members without a value are left out.
 */
export function canonicalJson(value: unknown, depth = 0): string {
  if (value === null || value === undefined || depth > MAX_DEPTH) return 'null'
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
  if (Array.isArray(value)) return `[${value.map(item => canonicalJson(item, depth + 1)).join(',')}]`
  if (value instanceof Date) return canonicalJson(value.toJSON(), depth)
  const record = value as Record<string, unknown>
  let out = ''
  for (const name of Object.keys(record).sort()) {
    const member = record[name]
    if (member === undefined || typeof member === 'function') continue
    out += `${out === '' ? '' : ','}${nameText(name)}:${canonicalJson(member, depth + 1)}`
  }
  return `{${out}}`
}

/** Names of members in quotes: there are few, and every event has the same. */
const names = new BoundedMap<string>(1000)

function nameText(name: string): string {
  const known = names.get(name)
  if (known !== undefined) return known
  const quoted = text(name)
  names.set(name, quoted)
  return quoted
}

/** All but what stands in a JSON text as it is: surrogates, `"`, `\` and control characters. */
const SPECIAL = /[^ !#-[\]-\ud7ff\ue000-\uffff]/

const text = (value: string) => (SPECIAL.test(value) ? JSON.stringify(storable(value)) : `"${value}"`)

const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

function storable(value: string): string {
  return value.replaceAll('\0', '\\u0000').replace(LONE_SURROGATE, '\ufffd')
}
