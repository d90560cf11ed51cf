interface Field {
  readonly name: string
  values: string[]
}

/** Header fields in their order. Names compare without case, and a name may have several values. */
export class HeaderFields {
  readonly #fields = new Map<string, Field>()

  /** @param raw names and values by turns, as Node.js gives and takes them. */
  static fromRaw(raw: readonly string[]): HeaderFields {
    const fields = new HeaderFields()
    for (let at = 0; at + 1 < raw.length; at += 2) fields.add(raw[at]!, raw[at + 1]!)
    return fields
  }

  /** The first value. */
  get(name: string): string | undefined {
    return this.#fields.get(lowerCase(name))?.values[0]
  }

  all(name: string): readonly string[] {
    return this.#fields.get(lowerCase(name))?.values ?? []
  }

  has(name: string): boolean {
    return this.#fields.has(lowerCase(name))
  }

  /** Puts `value` in the place of all values that the name had; an empty list removes the field. */
  set(name: string, value: string | readonly string[]): void {
    const values = typeof value === 'string' ? [value] : [...value]
    if (values.length === 0) this.#fields.delete(lowerCase(name))
    else this.#fields.set(lowerCase(name), { name, values })
  }

  add(name: string, value: string): void {
    const key = lowerCase(name)
    const field = this.#fields.get(key)
    if (field) field.values.push(value)
    else this.#fields.set(key, { name, values: [value] })
  }

  delete(name: string): void {
    this.#fields.delete(lowerCase(name))
  }

  /** Names in lower case with their values. */
  *entries(): IterableIterator<[name: string, values: readonly string[]]> {
    for (const [name, { values }] of this.#fields) yield [name, values]
  }

  /** Names, as they were given, and values by turns. */
  toRaw(): string[] {
    const raw: string[] = []
    for (const { name, values } of this.#fields.values()) for (const value of values) raw.push(name, value)
    return raw
  }
}

const UPPER = /[A-Z]/

/** Most names come in lower case already, and the test is cheaper than a new string. */
function lowerCase(name: string): string {
  return UPPER.test(name) ? name.toLowerCase() : name
}
