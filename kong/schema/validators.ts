import { isUuid } from '../../foundation/uuid.ts'
import { compileLuaPattern } from './lua-pattern.ts'
import type { FieldSpec } from './spec.ts'

/** Says what is wrong with a value that already has the type of its field, or nothing. */
type Check = (value: unknown, spec: FieldSpec) => string | undefined

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
const CHECKS: readonly (readonly [name: keyof FieldSpec, check: Check])[] = [
  ['eq', (value, spec) => (value === spec.eq ? undefined : `value must be ${spec.eq}`)],
  ['ne', (value, spec) => (value === spec.ne ? `value must not be ${value}` : undefined)],
  [
    'not_one_of',
    (value, spec) =>
      spec.not_one_of!.includes(value) ? `must not be one of: ${spec.not_one_of!.join(', ')}` : undefined,
  ],
  [
    'one_of',
    (value, spec) =>
      spec.one_of!.includes(value) ? undefined : `expected one of: ${spec.one_of!.join(', ')}`,
  ],
  [
    'gt',
    (value, spec) => ((value as number) > spec.gt! ? undefined : `value must be greater than ${spec.gt}`),
  ],
  ['timestamp', value => ((value as number) > 0 ? undefined : 'expected a valid timestamp')],
  ['uuid', value => (isUuid(value) ? undefined : 'expected a valid UUID')],
  ['is_regex', value => (isRegex(value as string) ? undefined : `not a valid regex: ${value}`)],
  [
    'between',
    (value, spec) => {
      const [low, high] = spec.between!
      return (value as number) < low || (value as number) > high
        ? `value should be between ${low} and ${high}`
        : undefined
    },
  ],
  ['len_eq', (v, spec) => (lengthOf(v) === spec.len_eq ? undefined : `length must be ${spec.len_eq}`)],
  [
    'len_min',
    (v, spec) => (lengthOf(v) >= spec.len_min! ? undefined : `length must be at least ${spec.len_min}`),
  ],
  [
    'len_max',
    (v, spec) => (lengthOf(v) <= spec.len_max! ? undefined : `length must be at most ${spec.len_max}`),
  ],
  [
    'starts_with',
    (v, spec) =>
      (v as string).startsWith(spec.starts_with!) ? undefined : `should start with: ${spec.starts_with}`,
  ],
  ['not_match', (v, spec) => (matches(v, spec.not_match!) ? `invalid value: ${v}` : undefined)],
  ['match_none', (v, spec) => spec.match_none!.find(rule => matches(v, rule.pattern))?.err],
  ['match', (v, spec) => (matches(v, spec.match!) ? undefined : `invalid value: ${v}`)],
  ['match_all', (v, spec) => spec.match_all!.find(rule => !matches(v, rule.pattern))?.err],
  [
    'match_any',
    (v, spec) =>
      spec.match_any!.patterns.some(pattern => matches(v, pattern))
        ? undefined
        : (spec.match_any!.err ?? `invalid value: ${v}`),
  ],
  [
    'contains',
    (v, spec) =>
      (v as unknown[]).includes(spec.contains) ? undefined : `expected to contain: ${spec.contains}`,
  ],
  ['custom_validator', (v, spec) => spec.custom_validator!(v as never)],
  ['mutually_exclusive_subsets', (v, spec) => exclusive(v as string[], spec.mutually_exclusive_subsets!)],
]

/** The first complaint about a value, which has the type of its field. */
export function checkValue(value: unknown, spec: FieldSpec): string | undefined {
  // Empty strings are refused unless the schema allows them.
  const effective = spec.type === 'string' && spec.len_min === undefined ? { ...spec, len_min: 1 } : spec
  for (const [name, check] of CHECKS) {
    if (effective[name] === undefined) continue
    const complaint = check(value, effective)
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

function isRegex(text: string): boolean {
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
