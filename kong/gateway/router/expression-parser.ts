/**
 * The language of Kong's `expressions` router (atc-router): predicates joined by `&&`, `||`, `!( )` and parentheses.
 * As in atc-router, `||` binds tighter than `&&`.
 */

export type Operator =
  | '=='
  | '!='
  | '~'
  | '^='
  | '=^'
  | '>='
  | '>'
  | '<='
  | '<'
  | 'in'
  | 'not in'
  | 'contains'

export type Literal =
  | { readonly type: 'String'; readonly value: string }
  | { readonly type: 'Int'; readonly value: number }
  | { readonly type: 'IpAddr'; readonly value: string }
  | { readonly type: 'IpCidr'; readonly value: string }

export interface Predicate {
  readonly kind: 'predicate'
  readonly field: string
  readonly lower: boolean
  /** One matching value is enough; otherwise all must match. */
  readonly any: boolean
  readonly operator: Operator
  readonly literal: Literal
}

export type Expression =
  | Predicate
  | { readonly kind: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'not'; readonly inner: Expression }

/** What is wrong with an expression, and where; the first character is 0. */
export class ExpressionError extends Error {
  readonly at: number

  constructor(reason: string, at: number) {
    super(reason)
    this.at = at
  }
}

const IDENT = /[A-Za-z][A-Za-z0-9_.]*/y
const OPERATOR = /==|!=|\^=|=\^|>=|>|<=|<|~|not\s*in\b|in\b|contains\b/y
const STRING = /"((?:\\["\\nrt]|[^"\\])*)"/y
const RAW_STRING = /r#"([\s\S]*?)"#/y
const CIDR = /\d{1,3}(?:\.\d{1,3}){3}\/\d{1,2}|(?::|[\dA-Fa-f]{1,4}):(?:[\dA-Fa-f]{1,4}|:)*\/\d{1,3}/y
const ADDRESS = /\d{1,3}(?:\.\d{1,3}){3}|(?::|[\dA-Fa-f]{1,4}):(?:[\dA-Fa-f]{1,4}|:)*/y
const INTEGER = /(-?)(?:(0[0-7]+)|0x([\dA-Fa-f]+)|(\d+))/y
const SPACE = /[ \t\r\n]*/y
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }

/** @throws ExpressionError */
export function parseExpression(source: string): Expression {
  return new Parser(source).parse()
}

class Parser {
  readonly #source: string
  #at = 0

  constructor(source: string) {
    this.#source = source
  }

  parse(): Expression {
    const expression = this.#and()
    this.#match(SPACE)
    if (this.#at < this.#source.length) throw this.#error('expected EOI, and_op, or or_op')
    return expression
  }

  #and(): Expression {
    let left = this.#or()
    while (this.#take('&&')) left = { kind: 'and', left, right: this.#or() }
    return left
  }

  #or(): Expression {
    let left = this.#term()
    while (this.#take('||')) left = { kind: 'or', left, right: this.#term() }
    return left
  }

  #term(): Expression {
    const isNegated = this.#take('!')
    if (!this.#take('(')) {
      if (isNegated) throw this.#error('expected term')
      return this.#predicate()
    }
    const inner = this.#and()
    if (!this.#take(')')) throw this.#error('expected and_op or or_op')
    return isNegated ? { kind: 'not', inner } : inner
  }

  #predicate(): Predicate {
    const side = this.#field()
    const operator = this.#token(OPERATOR)?.[0]
    if (operator === undefined) throw this.#error('expected binary_operator')
    const normal = operator.startsWith('not') ? 'not in' : operator
    return { kind: 'predicate', ...side, operator: normal as Operator, literal: this.#literal() }
  }

  /** `http.path`, `lower(http.path)`, `any(lower(http.headers.x))`. */
  #field(): Pick<Predicate, 'field' | 'lower' | 'any'> {
    const start = this.#at
    const name = this.#token(IDENT)?.[0]
    if (name === undefined) throw this.#error('expected term')
    if (!this.#take('(')) return { field: name, lower: false, any: false }
    if (name !== 'lower' && name !== 'any')
      throw new ExpressionError(`unknown transformation function: ${name}`, start)
    const inner = this.#field()
    if (!this.#take(')')) throw this.#error('expected )')
    return { ...inner, [name]: true }
  }

  #literal(): Literal {
    const text = this.#token(STRING)?.[1]
    if (text !== undefined)
      return { type: 'String', value: text.replace(/\\(.)/g, (_, sign: string) => ESCAPES[sign] ?? sign) }
    const raw = this.#token(RAW_STRING)?.[1]
    if (raw !== undefined) return { type: 'String', value: raw }
    const range = this.#token(CIDR)?.[0]
    if (range !== undefined) return { type: 'IpCidr', value: range }
    const address = this.#token(ADDRESS)?.[0]
    if (address !== undefined) return { type: 'IpAddr', value: address }
    const integer = this.#token(INTEGER)
    if (!integer)
      throw this.#error(
        'expected str_literal, rawstr_literal, ipv4_literal, ipv6_literal, ipv4_cidr_literal, ipv6_cidr_literal, or int_literal',
      )
    const [, sign, octal, hex, decimal] = integer
    const value =
      octal !== undefined
        ? Number.parseInt(octal, 8)
        : hex !== undefined
          ? Number.parseInt(hex, 16)
          : Number(decimal)
    return { type: 'Int', value: sign === '-' ? -value : value }
  }

  #take(text: string): boolean {
    this.#match(SPACE)
    if (!this.#source.startsWith(text, this.#at)) return false
    this.#at += text.length
    return true
  }

  #token(pattern: RegExp): RegExpExecArray | undefined {
    this.#match(SPACE)
    return this.#match(pattern)
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#source)
    if (!found) return undefined
    this.#at = pattern.lastIndex
    return found
  }

  #error(reason: string): ExpressionError {
    return new ExpressionError(reason, this.#at)
  }
}
