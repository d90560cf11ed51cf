/**
 * Templates of request-transformer: text with `$(expression)`s in it. Kong runs any Lua there; this is the part that
 * people write: names and their fields (`headers.x`, `uri_captures["id"]`), literals, `..`, `or`, `and`, `not`,
 * comparisons, parentheses.
 */

/** Finds the value of a field, as `headers` finds `x_id` for `x-id`. */
export type Names = Readonly<Record<string, (field: string | number) => unknown>>
export type Template = (names: Names) => string

type Evaluate = (names: Names) => unknown

/** @throws SyntaxError that names what is not understood */
export function compileTemplate(text: string): Template {
  const parts: (string | Evaluate)[] = []
  let at = 0
  for (;;) {
    const start = text.indexOf('$(', at)
    if (start < 0) break
    const end = closingOf(text, start + 1)
    parts.push(text.slice(at, start), new ExpressionParser(text.slice(start + 2, end)).parse())
    at = end + 1
  }
  parts.push(text.slice(at))
  return names => parts.map(part => (typeof part === 'string' ? part : shown(part(names)))).join('')
}

/** Where the parenthesis that opens at `open` is closed. @throws SyntaxError */
function closingOf(text: string, open: number): number {
  let depth = 0
  for (let at = open; at < text.length; at++) {
    if (text[at] === '(') depth++
    if (text[at] === ')' && --depth === 0) return at
  }
  throw new SyntaxError(`$( without its ) in ${text}`)
}

const shown = (value: unknown): string => (value === undefined || value === null ? '' : String(value))
/** Only nil and false are false in Lua. */
const isTrue = (value: unknown): boolean => value !== undefined && value !== null && value !== false

const TOKEN =
  /\s*(?:(\d+(?:\.\d+)?)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|([A-Za-z_]\w*)|(\.\.|==|~=|[().[\]]))/y

class ExpressionParser {
  readonly #source: string
  readonly #tokens: string[] = []
  #at = 0

  constructor(source: string) {
    this.#source = source
    const pattern = new RegExp(TOKEN)
    while (source.slice(pattern.lastIndex).trim() !== '') {
      const found = pattern.exec(source)
      if (!found) throw this.#unknown()
      this.#tokens.push(found[0].trim())
    }
  }

  parse(): Evaluate {
    const expression = this.#or()
    if (this.#at < this.#tokens.length) throw this.#unknown()
    return expression
  }

  #or(): Evaluate {
    let left = this.#and()
    while (this.#take('or')) {
      const [first, second] = [left, this.#and()]
      left = names => {
        const value = first(names)
        return isTrue(value) ? value : second(names)
      }
    }
    return left
  }

  #and(): Evaluate {
    let left = this.#comparison()
    while (this.#take('and')) {
      const [first, second] = [left, this.#comparison()]
      left = names => {
        const value = first(names)
        return isTrue(value) ? second(names) : value
      }
    }
    return left
  }

  #comparison(): Evaluate {
    const left = this.#joined()
    const operator = this.#take('==') ?? this.#take('~=')
    if (!operator) return left
    const right = this.#joined()
    return names => (left(names) === right(names)) === (operator === '==')
  }

  #joined(): Evaluate {
    const parts = [this.#unary()]
    while (this.#take('..')) parts.push(this.#unary())
    const [only] = parts
    return parts.length === 1 && only ? only : names => parts.map(part => shown(part(names))).join('')
  }

  #unary(): Evaluate {
    if (!this.#take('not')) return this.#value()
    const value = this.#unary()
    return names => !isTrue(value(names))
  }

  #value(): Evaluate {
    const token = this.#tokens[this.#at++]
    if (token === undefined) throw this.#unknown()
    if (token === '(') {
      const inner = this.#or()
      this.#expect(')')
      return inner
    }
    if (/^["']/.test(token)) return constant(token.slice(1, -1).replace(/\\(.)/g, '$1'))
    if (/^\d/.test(token)) return constant(Number(token))
    if (token === 'nil') return constant(undefined)
    if (token === 'true' || token === 'false') return constant(token === 'true')
    return this.#field(token)
  }

  /** `headers.name`, `headers["name"]`, `uri_captures[1]`; one level, since there is no other. */
  #field(table: string): Evaluate {
    if (this.#take('.')) return fieldOf(table, this.#name())
    this.#expect('[')
    const field = this.#value()
    this.#expect(']')
    return names => {
      const name = field(names)
      return typeof name === 'string' || typeof name === 'number' ? names[table]?.(name) : undefined
    }
  }

  #name(): string {
    const token = this.#tokens[this.#at++] ?? ''
    if (!/^[A-Za-z_]/.test(token)) throw this.#unknown()
    return token
  }

  #take(token: string): string | undefined {
    if (this.#tokens[this.#at] !== token) return undefined
    this.#at++
    return token
  }

  #expect(token: string): void {
    if (!this.#take(token)) throw this.#unknown()
  }

  #unknown(): SyntaxError {
    return new SyntaxError(`the expression $(${this.#source}) is not supported by this gateway`)
  }
}

const constant =
  (value: unknown): Evaluate =>
  () =>
    value
const fieldOf =
  (table: string, name: string): Evaluate =>
  names =>
    names[table]?.(name)
