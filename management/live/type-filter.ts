const PATTERN = /^[a-z0-9_.-]+\*?$|^\*$/
const MOST_PATTERNS = 50

/** Which types of events are wanted: names, or beginnings with `*` behind them. Empty: all. */
export class TypeFilter {
  readonly #patterns: readonly string[]

  private constructor(patterns: readonly string[]) {
    this.#patterns = patterns
  }

  /** Reads `circuit.*,qos.rejected.v1`; undefined for what is no such list. */
  static parse(text: string): TypeFilter | undefined {
    const patterns = text
      .split(',')
      .map(part => part.trim())
      .filter(part => part !== '')
    return patterns.length <= MOST_PATTERNS && patterns.every(pattern => PATTERN.test(pattern))
      ? new TypeFilter(patterns)
      : undefined
  }

  matches(type: string): boolean {
    return (
      this.#patterns.length === 0 ||
      this.#patterns.some(pattern =>
        pattern.endsWith('*') ? type.startsWith(pattern.slice(0, -1)) : type === pattern,
      )
    )
  }

  /** For `like any` of PostgreSQL; undefined for all. */
  get likes(): readonly string[] | undefined {
    if (this.#patterns.length === 0) return undefined
    return this.#patterns.map(pattern =>
      pattern.replace(/[_%\\]/g, character => `\\${character}`).replace(/\*$/, '%'),
    )
  }
}
