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
export function fillStandIns(text: string, valueAt: (index: number) => string): string {
  return text.replace(STAND_IN, (_whole, index: string) => valueAt(Number(index)))
}

export type Evaluated =
  | { readonly value: string; readonly variable: string }
  | { readonly problem: string; readonly variable?: string }

const CALL = /^env\s+(?:"([^"]*)"|'([^']*)'|`([^`]*)`)$/
const DEFAULT = /^default\s+(?:"([^"]*)"|'([^']*)'|`([^`]*)`)$/
/** What decK offers for types and indentation; here the schema types a value, and YAML never sees it. */
const NEUTRAL = /^(toInt|toFloat|toBool|indent\s+\d+)$/

/** Evaluates `env "NAME"`, with `| default "value"` behind it where the variable may be unset. */
export function evaluate(source: string, env: Readonly<Record<string, string | undefined>>): Evaluated {
  const [call = '', ...pipes] = source.split('|').map(part => part.trim())
  const match = CALL.exec(call)
  const variable = match?.[1] ?? match?.[2] ?? match?.[3]
  if (variable === undefined || variable === '')
    return { problem: `\${{ ${source} }} is not understood; write \${{ env "NAME" }}` }
  let value = env[variable]
  for (const pipe of pipes) {
    const standard = DEFAULT.exec(pipe)
    if (standard) value = value === undefined || value === '' ? firstOf(standard) : value
    else if (!NEUTRAL.test(pipe))
      return { problem: `\${{ ${source} }}: there is no function ${pipe}`, variable }
  }
  if (value === undefined) return { problem: `the environment variable ${variable} is not set`, variable }
  return { value, variable }
}

const firstOf = (match: RegExpExecArray): string => match[1] ?? match[2] ?? match[3] ?? ''
