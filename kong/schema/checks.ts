import { type BuildOptions, buildField, type Field } from './field.ts'
import {
  type EntityCheck,
  entryOf,
  type FieldSpec,
  isVaultReference,
  type NamedField,
  type Transformation,
  type Violations,
} from './spec.ts'
import { quotedList } from './validators.ts'

type Row = Readonly<Record<string, unknown>>

/** How an entity is looked at: as a whole that must be complete, or as one that is being updated. */
export interface CheckMode {
  readonly full: boolean
  readonly updating: boolean
}

/** What an update was given, and what it changes. */
export interface Update {
  readonly given: Row
  readonly present: Row
}

export interface BuiltCheck extends Rule {
  /** The fields that may hold a reference to a vault, with which it does not run. */
  readonly referenceable: readonly string[]
}

interface Rule {
  /** The fields that it looks at. */
  readonly names: readonly string[]
  /** Those of them without which it cannot run. */
  readonly needs: readonly string[]
  readonly withMissing: boolean
  readonly withInvalid: boolean
  /** Returns a complaint about the entity; may add complaints about single fields. */
  run(data: Row, mode: CheckMode, violations: Violations): string | undefined
}

type Builder = (argument: never, fieldOf: (path: string) => FieldSpec | undefined, build: Build) => Rule
type Build = (spec: FieldSpec) => Field

/** Field of a nested record by a path such as `config.allow`. */
export function fieldAt(data: unknown, path: string): unknown {
  let value: unknown = data
  for (const name of path.split('.')) {
    if (value === null || typeof value !== 'object') return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return value
}

function isNonempty(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return false
  return typeof value !== 'object' || Object.keys(value).length > 0
}

const nonempty = (data: Row, names: readonly string[]) =>
  names.filter(name => isNonempty(fieldAt(data, name)))

function setViolation(violations: Violations, path: string, text: Violations[string]): void {
  const names = path.split('.')
  let at = violations as Record<string, unknown>
  for (const name of names.slice(0, -1)) {
    if (typeof at[name] !== 'object') at[name] = {}
    at = at[name] as Record<string, unknown>
  }
  at[names.at(-1)!] = text
}

/** A check over a list of names that is wrong when `wrong` says so of the filled ones. */
const overNames =
  (
    text: string,
    options: { withMissing: boolean; withInvalid: boolean; updating?: boolean },
    wrong: (filled: readonly string[], names: readonly string[], data: Row) => boolean,
  ): Builder =>
  (names: readonly string[]) => ({
    names,
    needs: names,
    ...options,
    run: (data, mode) =>
      wrong(nonempty(data, names), names, data)
        ? `${options.updating && mode.updating ? 'when updating, ' : ''}${text}: ${quotedList(names)}`
        : undefined,
  })

interface Conditional {
  readonly if_field: string
  readonly if_match: FieldSpec
  readonly then_field: string
  readonly then_match: FieldSpec
  readonly then_err?: string
}

interface ConditionalAtLeastOneOf {
  readonly if_field: string
  readonly if_match: FieldSpec
  readonly then_at_least_one_of: readonly string[]
  readonly then_err?: string
  readonly else_match?: FieldSpec
  readonly else_then_at_least_one_of?: readonly string[]
  readonly else_then_err?: string
}

interface Custom {
  readonly field_sources: readonly string[]
  readonly run_with_missing_fields?: boolean
  readonly run_with_invalid_fields?: boolean
  readonly fn?: (data: never) => string | undefined
}

const ALL_OR_NONE = 'all or none of these fields must be set'

const BUILDERS: Readonly<Record<string, Builder>> = {
  at_least_one_of: overNames(
    'at least one of these fields must be non-empty',
    { withMissing: true, withInvalid: true, updating: true },
    filled => filled.length === 0,
  ),
  only_one_of: overNames(
    'exactly one of these fields must be non-empty',
    { withMissing: false, withInvalid: true },
    filled => filled.length !== 1,
  ),
  distinct: overNames(
    'values of these fields must be distinct',
    { withMissing: false, withInvalid: true },
    (filled, _names, data) => new Set(filled.map(name => fieldAt(data, name))).size < filled.length,
  ),
  mutually_required: overNames(
    ALL_OR_NONE,
    { withMissing: true, withInvalid: false },
    (filled, names) => filled.length > 0 && filled.length < names.length,
  ),
  mutually_exclusive: overNames(
    'only one or none of these fields must be set',
    { withMissing: true, withInvalid: false },
    filled => filled.length > 1,
  ),

  mutually_exclusive_sets: ({ set1, set2 }: { set1: readonly string[]; set2: readonly string[] }) => ({
    names: [...set1, ...set2],
    needs: [...set1, ...set2],
    withMissing: true,
    withInvalid: false,
    run(data) {
      const [first, second] = [nonempty(data, set1), nonempty(data, set2)]
      return first.length > 0 && second.length > 0
        ? `these sets are mutually exclusive: ${quotedList([first, second])}`
        : undefined
    },
  }),

  conditional(check: Conditional, fieldOf, build) {
    const condition = build({ ...fieldOf(check.if_field), ...check.if_match })
    const consequence = build({ ...fieldOf(check.then_field), ...check.then_match })
    const usual = `failed conditional validation given value of field '${check.if_field}'`
    return {
      names: [check.if_field, check.then_field],
      needs: [check.if_field],
      withMissing: false,
      withInvalid: true,
      run(data, _mode, violations) {
        if (condition.check(fieldAt(data, check.if_field)) !== undefined) return undefined
        const value = fieldAt(data, check.then_field) ?? null
        const wrong = consequence.check(value)
        if (wrong === undefined) return undefined
        setViolation(violations, check.then_field, wrong)
        return value === null && check.then_match.required ? usual : (check.then_err ?? usual)
      },
    }
  },

  conditional_at_least_one_of(check: ConditionalAtLeastOneOf, fieldOf, build) {
    const condition = build({ ...fieldOf(check.if_field), ...check.if_match })
    const otherwise = check.else_match && build({ ...fieldOf(check.if_field), ...check.else_match })
    const demand = (data: Row, mode: CheckMode, names: readonly string[], err: string | undefined) => {
      if (nonempty(data, names).length > 0) return undefined
      const list = quotedList(names)
      const text = `at least one of these fields must be non-empty: ${list}`
      return err?.replace('%s', list) ?? (mode.updating ? `when updating, ${text}` : text)
    }
    return {
      names: [check.if_field, ...check.then_at_least_one_of, ...(check.else_then_at_least_one_of ?? [])],
      needs: [check.if_field],
      withMissing: true,
      withInvalid: true,
      run(data, mode) {
        const value = fieldAt(data, check.if_field)
        if (value === undefined) return undefined
        if (condition.check(value) === undefined)
          return demand(data, mode, check.then_at_least_one_of, check.then_err)
        if (otherwise?.check(value) === undefined && otherwise)
          return demand(data, mode, check.else_then_at_least_one_of ?? [], check.else_then_err)
        return undefined
      },
    }
  },

  // Comes without its function from `GET /schemas/…`, and then has nothing to say.
  custom_entity_check: (check: Custom) => ({
    names: check.field_sources,
    needs: check.field_sources,
    withMissing: check.run_with_missing_fields ?? false,
    withInvalid: check.run_with_invalid_fields ?? false,
    run: data => check.fn?.(data as never),
  }),
}

export function buildChecks(
  checks: readonly EntityCheck[],
  fields: ReadonlyMap<string, Field>,
  options: BuildOptions,
): readonly BuiltCheck[] {
  const fieldOf = (path: string): FieldSpec | undefined => {
    const [first, ...rest] = path.split('.')
    let field = fields.get(first!)
    for (const name of rest) field = field?.record?.fields.get(name)
    return field?.spec
  }
  const build: Build = spec => buildField(spec, options)
  return checks.flatMap(check => {
    const [name, argument] = entryOf(check as NamedField)
    const builder = BUILDERS[name]
    if (!builder || !argument) return []
    const rule = builder(argument as never, fieldOf, build)
    return [{ ...rule, referenceable: rule.names.filter(path => isReferenceable(fieldOf(path))) }]
  })
}

const isReferenceable = (field: FieldSpec | undefined): boolean =>
  field?.type === 'string' && field.referenceable === true

/** Runs the checks; complaints about the entity go to `@entity`. */
export function runChecks(
  checks: readonly BuiltCheck[],
  data: Row,
  mode: CheckMode,
  violations: Violations,
): void {
  for (const check of checks) {
    const values = check.names.map(name => fieldAt(data, name))
    // What stands in a vault is not known yet.
    if (check.referenceable.some(name => isVaultReference(fieldAt(data, name)))) continue
    if (!check.withInvalid && check.names.some(name => violations[name] !== undefined)) continue
    if (values.every(value => value === undefined) && !(check.withMissing && mode.full)) continue
    const missing = check.withMissing ? [] : check.needs.filter(name => fieldAt(data, name) === undefined)
    if (missing.length > 0) {
      const text = `field required for entity check${mode.updating ? ' when updating' : ''}`
      for (const name of missing) setViolation(violations, name, text)
      continue
    }
    const complaint = check.run(data, mode, violations)
    if (complaint !== undefined) addComplaint(violations, complaint)
  }
}

function addComplaint(violations: Violations, complaint: string): void {
  violations['@entity'] = [...((violations['@entity'] as string[] | undefined) ?? []), complaint]
}

/**
 * What is transformed must come with what that needs. In an update it must come anew: what is stored does not do, and
 * whoever gives another owner must give the secret, too (`run_transformation_checks` of Kong's db/schema/init.lua).
 */
export function checkTransformations(
  transformations: readonly Transformation[],
  data: Row,
  update: Update | undefined,
  violations: Violations,
): void {
  for (const { input, needs } of transformations) {
    const given = update?.given ?? data
    const isChanged =
      update !== undefined && needs.some(name => fieldAt(given, name) !== fieldAt(update.present, name))
    if (!isChanged && nonempty(given, input).length === 0) continue
    const names = [...input, ...needs]
    const filled = nonempty(isChanged ? given : data, names)
    if (filled.length > 0 && filled.length < names.length)
      addComplaint(violations, `${ALL_OR_NONE}: ${quotedList(names)}`)
  }
}
