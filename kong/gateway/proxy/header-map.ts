/** A header's value as Kong hands it to plugins: a list where the header came several times. */
export type HeaderValue = string | readonly string[]

interface Entry {
  name: string
  values: string[]
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not stand in a header
const UNSAFE_IN_VALUE = /[\x00-\x08\x0a-\x1f\x7f]/g
const UNSAFE_IN_NAME = /[^!#$%&'*+.^_`|~0-9A-Za-z-]/g
const escapeByte = (char: string) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`

/** As OpenResty does, so that no line end gets into a head. */
const safeValue = (value: string): string => value.replace(UNSAFE_IN_VALUE, escapeByte)
const safeName = (name: string): string => name.replace(UNSAFE_IN_NAME, escapeByte)
const safeValues = (value: HeaderValue): string[] =>
  typeof value === 'string' ? [safeValue(value)] : value.map(safeValue)

/**
 * Headers in the order in which they came; names are compared without case and kept as they were written. Values hold
 * one byte a character, as on the wire; control characters in what plugins set are escaped.
 */
export class HeaderMap {
  readonly #entries = new Map<string, Entry>()

  /** @param raw names and values by turns, as Node.js gives them */
  static fromRaw(raw: readonly string[]): HeaderMap {
    const headers = new HeaderMap()
    for (let i = 0; i + 1 < raw.length; i += 2) headers.addRaw(raw[i] ?? '', raw[i + 1] ?? '')
    return headers
  }

  /** Adds a header that was parsed from a head. */
  addRaw(name: string, value: string): void {
    const key = name.toLowerCase()
    const entry = this.#entries.get(key)
    if (entry) entry.values.push(value)
    else this.#entries.set(key, { name, values: [value] })
  }

  get size(): number {
    return this.#entries.size
  }

  clear(): void {
    this.#entries.clear()
  }

  has(name: string): boolean {
    return this.#entries.has(name.toLowerCase())
  }

  /** The first value. */
  get(name: string): string | undefined {
    return this.#entries.get(name.toLowerCase())?.values[0]
  }

  value(name: string): HeaderValue | undefined {
    const values = this.#entries.get(name.toLowerCase())?.values
    return values && (values.length === 1 ? values[0] : values)
  }

  /** Several values joined, as nginx does for its own variables. */
  joined(name: string): string | undefined {
    return this.#entries.get(name.toLowerCase())?.values.join(', ')
  }

  set(name: string, value: HeaderValue): void {
    const safe = safeName(name)
    this.#entries.set(safe.toLowerCase(), { name: safe, values: safeValues(value) })
  }

  add(name: string, value: HeaderValue): void {
    const entry = this.#entries.get(name.toLowerCase())
    if (entry) entry.values.push(...safeValues(value))
    else this.set(name, value)
  }

  delete(name: string): void {
    this.#entries.delete(name.toLowerCase())
  }

  /** Calls `visit` for each header line. */
  each(visit: (lower: string, name: string, value: string) => void): void {
    for (const [lower, { name, values }] of this.#entries)
      for (const value of values) visit(lower, name, value)
  }

  /** Names in lower case, at most `max` header lines. */
  toRecord(max = 100): Record<string, HeaderValue> {
    const record: Record<string, HeaderValue> = {}
    let left = max
    for (const [lower, { values }] of this.#entries) {
      if (left <= 0) break
      const taken = values.length > left ? values.slice(0, left) : values
      record[lower] = taken.length === 1 ? taken[0]! : [...taken]
      left -= taken.length
    }
    return record
  }

  clone(): HeaderMap {
    const copy = new HeaderMap()
    for (const [lower, { name, values }] of this.#entries)
      copy.#entries.set(lower, { name, values: [...values] })
    return copy
  }
}
