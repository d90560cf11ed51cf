import type { Environment } from '../../../foundation/environment.ts'

/**
 * `${{ env "NAME" }}` in a declared state, as decK has it: the file is read with a stand-in of the same length for
 * each expression, so that lines, columns and YAML's own rules hold, and the value is put in afterwards. A value can
 * therefore never change the structure of the file, whatever it holds.
 */

export interface Expression {
  /** Offset in the text. */
  readonly offset: number
  readonly source: string
}

/** Stand-ins are made of characters from Unicode's private use area, which no real file holds. */
const OPEN = '\uE000'
const FILL = '\uE001'
const STAND_IN = new RegExp(`${OPEN}(\\d+)${FILL}+`, 'g')

export interface Template {
  readonly text: string
  readonly expressions: readonly Expression[]
}

/** Replaces every expression by its stand-in. */
export function liftExpressions(text: string): Template {
  const expressions: Expression[] = []
  const lifted = text.replace(/\$\{\{(.*?)\}\}/g, (whole, source: string, offset: number) => {
    const stand = `${OPEN}${expressions.length}`
    expressions.push({ offset, source: source.trim() })
    return stand + FILL.repeat(Math.max(1, whole.length - stand.length))
  })
  return { text: lifted, expressions }
}

export const hasStandIn = (text: string): boolean => text.includes(OPEN)

/** Puts values in the places of the stand-ins. */
export function fillStandIns(text: string, valueAt: (index: number, standIn: string) => string): string {
  return text.replace(STAND_IN, (standIn, index: string) => valueAt(Number(index), standIn))
}

export type Evaluated =
  | { readonly value: string; readonly variable: string }
  | { readonly problem: string; readonly variable?: string }

/** What decK offers for types and indentation; here the schema types a value, and YAML never sees it. */
const NEUTRAL = new Set(['toInt', 'toFloat', 'toBool'])

/** A word, a number, a pipe, or a text in one of Go's quotes. */
const TOKEN = /\s*(?:([A-Za-z]\w*)|(\d+)|(\|)|"((?:\\.|[^"\\])*)"|'((?:\\.|[^'\\])*)'|`([^`]*)`)\s*/y

type Token = { readonly word: string } | { readonly text: string }

/** Evaluates `env "NAME"`, with `| default "value"` behind it where the variable may be unset. */
export function evaluate(source: string, env: Environment): Evaluated {
  const [call, ...pipes] = split(source) ?? []
  const variable = call && argumentOf(call, 'env')
  if (variable === undefined || variable === '')
    return { problem: `\${{ ${source} }} is not understood; write \${{ env "NAME" }}` }
  let value = env[variable]
  for (const pipe of pipes) {
    const standard = argumentOf(pipe, 'default')
    if (standard !== undefined) value = value === undefined || value === '' ? standard : value
    else if (!isNeutral(pipe)) return { problem: `\${{ ${source} }}: unknown function`, variable }
  }
  if (value === undefined) return { problem: `the environment variable ${variable} is not set`, variable }
  return { value, variable }
}

/** The calls between the pipes; undefined for anything else. */
function split(source: string): readonly (readonly Token[])[] | undefined {
  // In a scalar in double quotes the expression's own are escaped.
  const text = /(^|[^\\])"/.test(source) ? source : source.replaceAll('\\"', '"').replaceAll("''", "'")
  const calls: Token[][] = [[]]
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < text.length) {
    const match = TOKEN.exec(text)
    if (!match) return undefined
    const [, word, number, pipe, double, single, raw] = match
    if (pipe) calls.push([])
    else if (word !== undefined || number !== undefined) calls.at(-1)?.push({ word: word ?? number ?? '' })
    else calls.at(-1)?.push({ text: raw ?? withoutEscapes(double ?? single ?? '') })
  }
  return calls
}

const withoutEscapes = (text: string): string => text.replace(/\\(.)/g, '$1')

function argumentOf([first, second, ...others]: readonly Token[], name: string): string | undefined {
  const isCall = first && 'word' in first && first.word === name && second && 'text' in second
  return isCall && others.length === 0 ? second.text : undefined
}

function isNeutral([first, second, ...others]: readonly Token[]): boolean {
  if (!first || !('word' in first) || others.length > 0) return false
  return second ? first.word === 'indent' && 'word' in second : NEUTRAL.has(first.word)
}
