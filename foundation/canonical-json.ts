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
  /** The last one of each size: records of one kind have the same names in the same order, again and again. */
  const shapes: (Shape | undefined)[] = []
  const shapeOf = (names: readonly string[]): Shape => {
    const known = shapes[names.length]
    if (known && names.every((name, place) => name === known.names[place])) return known
    const members = [...names].sort().map(name => ({ name, quoted: text(name) }))
    const shape = { names, members }
    if (names.length <= LARGEST_SHAPE) shapes[names.length] = shape
    return shape
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
    for (const { name, quoted } of shapeOf(Object.keys(record)).members) {
      const member = record[name]
      if (member === undefined || typeof member === 'function' || (skipNull && member === null)) continue
      out += `${out === '' ? '' : ','}${quoted}:${write(member, depth + 1)}`
    }
    return `{${out}}`
  }

  return value => write(value, 0)
}

/** The names of a record, so that they are sorted and quoted once for all records that have the same. */
interface Shape {
  /** As they stand in the record. */
  readonly names: readonly string[]
  /** Sorted. */
  readonly members: readonly { readonly name: string; readonly quoted: string }[]
}

/** Larger ones are maps rather than records, which have other names each time. */
const LARGEST_SHAPE = 64

/** All but what stands in a JSON text as it is: surrogates, `"`, `\` and control characters. */
const SPECIAL = /[^ !#-[\]-\ud7ff\ue000-\uffff]/

/** Canonical JSON of what was read from JSON, to compare it. */
export const canonicalJson = createCanonicalJson()
