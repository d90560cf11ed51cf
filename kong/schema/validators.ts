import { isUuid } from '../../foundation/uuid.ts'
import { compileLuaPattern } from './lua-pattern.ts'
import type { FieldSpec } from './spec.ts'

/** Says what is wrong with a value that already has the type of its field, or nothing. */
interface Check {
  readonly name: keyof FieldSpec
  run(value: unknown, spec: FieldSpec): string | undefined
}

/** A check that runs where the field has the rule of this name. */
const rule = <K extends keyof FieldSpec>(
  name: K,
  check: (value: never, argument: NonNullable<FieldSpec[K]>) => string | undefined,
): Check => ({
  name,
  run(value, spec) {
    const argument = spec[name]
    return argument === undefined || argument === null ? undefined : check(value as never, argument)
  },
})

/** Kong counts bytes, as Lua does. */
const lengthOf = (value: unknown): number =>
  typeof value === 'string'
    ? Buffer.byteLength(value)
    : Array.isArray(value)
      ? value.length
      : Object.keys(value as object).length

const matches = (value: unknown, pattern: string): boolean => compileLuaPattern(pattern).test(String(value))

export function quotedList(words: readonly (string | readonly string[])[]): string {
  return words
    .map(word => (typeof word === 'string' ? `'${word}'` : `(${quotedList(word as readonly string[])})`))
    .join(', ')
}

/** In the order in which Kong runs them: the first complaint is the one that is told. */
const CHECKS: readonly Check[] = [
  rule('eq', (value, wanted) => (value === wanted ? undefined : `value must be ${wanted}`)),
  rule('ne', (value, unwanted) => (value === unwanted ? `value must not be ${value}` : undefined)),
  rule('not_one_of', (value, list) =>
    list.includes(value) ? `must not be one of: ${list.join(', ')}` : undefined,
  ),
  rule('one_of', (value, list) => (list.includes(value) ? undefined : `expected one of: ${list.join(', ')}`)),
  rule('gt', (value: number, limit) => (value > limit ? undefined : `value must be greater than ${limit}`)),
  rule('timestamp', (value: number) => (value > 0 ? undefined : 'expected a valid timestamp')),
  rule('uuid', (value: string) => (isUuid(value) ? undefined : 'expected a valid UUID')),
  rule('is_regex', (value: string) => (isRegex(value) ? undefined : `not a valid regex: ${value}`)),
  rule('between', (value: number, [low, high]) =>
    value < low || value > high ? `value should be between ${low} and ${high}` : undefined,
  ),
  rule('len_eq', (value, length) => (lengthOf(value) === length ? undefined : `length must be ${length}`)),
  rule('len_min', (value, length) =>
    lengthOf(value) >= length ? undefined : `length must be at least ${length}`,
  ),
  rule('len_max', (value, length) =>
    lengthOf(value) <= length ? undefined : `length must be at most ${length}`,
  ),
  rule('starts_with', (value: string, start) =>
    value.startsWith(start) ? undefined : `should start with: ${start}`,
  ),
  rule('not_match', (value, pattern) => (matches(value, pattern) ? `invalid value: ${value}` : undefined)),
  rule('match_none', (value, rules) => rules.find(({ pattern }) => matches(value, pattern))?.err),
  rule('match', (value, pattern) => (matches(value, pattern) ? undefined : `invalid value: ${value}`)),
  rule('match_all', (value, rules) => rules.find(({ pattern }) => !matches(value, pattern))?.err),
  rule('match_any', (value, { patterns, err = `invalid value: ${value}` }) =>
    patterns.some(pattern => matches(value, pattern)) ? undefined : err,
  ),
  rule('contains', (value: readonly unknown[], wanted) =>
    value.includes(wanted) ? undefined : `expected to contain: ${wanted}`,
  ),
  rule('custom_validator', (value, validator) => validator(value)),
  rule('mutually_exclusive_subsets', exclusive),
]

/** The first complaint about a value, which has the type of its field. */
export function checkValue(value: unknown, spec: FieldSpec): string | undefined {
  // Empty strings are refused unless the schema allows them.
  const effective = spec.type === 'string' && spec.len_min === undefined ? { ...spec, len_min: 1 } : spec
  for (const check of CHECKS) {
    const complaint = check.run(value, effective)
    if (complaint !== undefined) return spec.err ?? complaint
  }
  return undefined
}

function exclusive(values: readonly string[], subsets: readonly (readonly string[])[]): string | undefined {
  const touched: (readonly string[])[] = []
  for (const value of values) {
    const subset = subsets.find(s => s.includes(value))
    if (subset && !touched.includes(subset)) touched.push(subset)
  }
  return touched.length > 1 ? `these sets are mutually exclusive: ${quotedList(touched)}` : undefined
}

/** What V8 takes stands for what PCRE takes. */
export function isRegex(text: string): boolean {
  try {
    new RegExp(text)
    return true
  } catch {
    return false
  }
}

/** What Kong calls a value that is not of the type that it expects. */
export function checkType(value: unknown, type: FieldSpec['type']): string | undefined {
  switch (type) {
    case 'string':
      return typeof value === 'string' ? undefined : 'expected a string'
    case 'number':
      return typeof value === 'number' ? undefined : 'expected a number'
    case 'integer':
      return Number.isInteger(value) ? undefined : 'expected an integer'
    case 'boolean':
      return typeof value === 'boolean' ? undefined : 'expected a boolean'
    case 'array':
      return Array.isArray(value) ? undefined : 'expected an array'
    case 'set':
      return Array.isArray(value) ? undefined : 'expected a set'
    case 'map':
      return typeof value === 'object' ? undefined : 'expected a map'
    case 'record':
      return typeof value === 'object' ? undefined : 'expected a record'
    case 'foreign':
    case 'json':
    case 'any':
      return undefined
    default:
      return `invalid type: ${type}`
  }
}
