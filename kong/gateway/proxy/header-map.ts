/** A header's value as Kong hands it to plugins: a list where the header came several times. */
export type HeaderValue = string | readonly string[]

interface Entry {
  name: string
  values: string[]
}

/** Headers in the order in which they came; names are compared without case and kept as they were written. */
export class HeaderMap {
  readonly #entries = new Map<string, Entry>()

  /** @param raw names and values by turns, as Node.js gives them */
  static fromRaw(raw: readonly string[]): HeaderMap {
    const headers = new HeaderMap()
    for (let i = 0; i + 1 < raw.length; i += 2) headers.add(raw[i]!, raw[i + 1]!)
    return headers
  }

  get size(): number {
    return this.#entries.size
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
    this.#entries.set(name.toLowerCase(), {
      name,
      values: typeof value === 'string' ? [value] : [...value],
    })
  }

  add(name: string, value: HeaderValue): void {
    const key = name.toLowerCase()
    const entry = this.#entries.get(key)
    if (!entry) this.set(name, value)
    else if (typeof value === 'string') entry.values.push(value)
    else entry.values.push(...value)
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
