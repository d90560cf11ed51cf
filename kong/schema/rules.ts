import {
  type CustomValidator,
  type EntityCheck,
  type FieldSpec,
  isObject,
  type NamedField,
  type SchemaSpec,
  type ShorthandSpec,
} from './spec.ts'

/** What is added to a field; a function is its custom validator. */
export type FieldRule = CustomValidator | (Partial<ShorthandSpec> & Partial<SchemaSpec> & CheckRule)

interface CheckRule {
  /** The functions of the custom entity checks, in the order in which these stand in the schema. */
  readonly checks?: readonly CustomValidator[]
  /** Validators of conditional entity checks, by the field that these demand something of. */
  readonly conditions?: Readonly<Record<string, CustomValidator>>
}

/**
 * The rules that a schema from `GET /schemas/…` cannot hold, since they are functions, by the path of their field:
 * `name`, `config.redis.host`, `tags.elements`, `headers.keys`, `limits.values`. The empty path stands for the schema
 * itself.
 */
export type Rules = Readonly<Record<string, FieldRule>>

/** @throws TypeError when a rule names a field that the schema does not have. */
export function withRules(spec: SchemaSpec, rules: Rules): SchemaSpec {
  let changed: FieldSpec = spec
  for (const [path, rule] of Object.entries(rules)) {
    const names = path === '' ? [] : path.split('.')
    const found = changeAt(changed, names, node => applyRule(node, rule))
    if (!found) throw new TypeError(`the schema ${spec.name ?? ''} has no field '${path}'`)
    changed = found
  }
  return changed as SchemaSpec
}

/** Nothing where there is no such field. */
function changeAt(
  node: FieldSpec,
  [first, ...rest]: readonly string[],
  change: (node: FieldSpec) => FieldSpec,
): FieldSpec | undefined {
  if (first === undefined) return change(node)
  const [part, inner] = partOf(node, first) ?? []
  if (part && inner) {
    const changed = changeAt(inner, rest, change)
    return changed && { ...node, [part]: changed }
  }
  return (
    changeIn('fields', node, first, spec => changeAt(spec, rest, change)) ??
    changeIn('shorthand_fields', node, first, spec => changeAt(spec, rest, change))
  )
}

function changeIn(
  list: 'fields' | 'shorthand_fields',
  node: FieldSpec,
  name: string,
  change: (spec: FieldSpec) => FieldSpec | undefined,
): FieldSpec | undefined {
  const fields: readonly NamedField[] = node[list] ?? []
  const present = fields.find(field => name in field)?.[name]
  const changed = present && change(present)
  return changed && { ...node, [list]: fields.map(field => (name in field ? { [name]: changed } : field)) }
}

const PARTS = ['elements', 'keys', 'values'] as const

function partOf(spec: FieldSpec, name: string): readonly [(typeof PARTS)[number], FieldSpec] | undefined {
  const part = PARTS.find(known => known === name)
  const inner = part && spec[part]
  return inner && [part, inner]
}

function applyRule(node: FieldSpec, rule: FieldRule): FieldSpec {
  if (typeof rule === 'function') return { ...node, custom_validator: rule }
  const { checks = [], conditions = {}, ...facts } = rule
  const left = [...checks]
  const entityChecks = node.entity_checks?.map(check => withFunction(check, left, conditions))
  return { ...node, ...facts, ...(entityChecks && { entity_checks: entityChecks }) }
}

function withFunction(
  { custom_entity_check: custom, conditional, ...check }: EntityCheck,
  functions: CustomValidator[],
  conditions: Readonly<Record<string, CustomValidator>>,
): EntityCheck {
  if (isObject(custom)) return { custom_entity_check: { ...custom, fn: functions.shift() } }
  if (!isObject(conditional)) return check
  const validator = conditions[String(conditional.then_field)]
  const match = isObject(conditional.then_match) ? conditional.then_match : {}
  return {
    conditional: validator
      ? { ...conditional, then_match: { ...match, custom_validator: validator } }
      : conditional,
  }
}
