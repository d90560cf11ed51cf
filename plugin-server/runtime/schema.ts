/** TypeBox → Kong's schema, for the dump. Kong validates configurations by it and fills in the defaults. */
import type { TSchema } from 'typebox'
import { SluiceError } from '../../foundation/errors.ts'
import type { Schema } from './json-schema.ts'

export type KongField = Record<string, unknown>

/** What Kong knows that JSON Schema has no word for; written beside the TypeBox options under the same names. */
const PASSED_ON = [
  'referenceable',
  'encrypted',
  'match',
  'not_match',
  'description',
  'gt',
  'lt',
  'one_of',
  'starts_with',
]

/**
 * The fields of a record, each `{name: field}`, in the order of the declaration.
 *
 * @param where names the place in errors, such as `config.tiers`.
 * @throws SLUICE_PLUGIN_INVALID for a type that Kong can't express.
 */
export function kongFields(schema: object, where: string): Record<string, KongField>[] {
  const { properties = {}, required = [] } = schema as Schema
  return Object.entries(properties).map(([name, property]) => ({
    [name]: kongField(property, `${where}.${name}`, required.includes(name)),
  }))
}

function kongField(schema: Schema, where: string, required: boolean): KongField {
  const field: KongField = typeOf(schema, where)
  if (required) field.required = true
  // Kong takes a record for required, and fills in its defaults, unless it says that it is not (db/schema/entity.lua).
  else if (field.type === 'record') field.required = false
  if (schema.default !== undefined) field.default = schema.default
  for (const keyword of PASSED_ON) if (schema[keyword] !== undefined) field[keyword] = schema[keyword]
  const { description } = schema
  // Kong's own schema of schemas says so, and a Kong that meets another one does not start.
  if (typeof description === 'string' && (description.length < 10 || description.length > 500))
    throw cannot(where, `a description of ${description.length} characters, only of 10 to 500`)
  // Anything else of Kong's: `kong: {entity_checks: […]}`.
  return { ...field, ...(schema.kong as KongField | undefined) }
}

function typeOf(schema: Schema, where: string): KongField {
  const choices = choicesOf(schema)
  if (choices) return choiceField(choices, where)
  switch (schema.type) {
    case 'string':
      return { type: 'string', ...lengths(schema.minLength, schema.maxLength) }
    case 'number':
    case 'integer':
      return { type: schema.type, ...range(schema, where) }
    case 'boolean':
      return { type: 'boolean' }
    case 'array':
      if (!schema.items) throw cannot(where, 'an array without `items`')
      return {
        type: schema.uniqueItems ? 'set' : 'array',
        elements: kongField(schema.items, `${where}[]`, false),
        ...lengths(schema.minItems, schema.maxItems),
      }
    case 'object':
      return objectField(schema, where)
  }
  throw cannot(where, schema.anyOf ? 'a union of anything but constants' : `the type ${String(schema.type)}`)
}

function objectField(schema: Schema, where: string): KongField {
  const [values] = Object.values(schema.patternProperties ?? {})
  if (!values) return { type: 'record', fields: kongFields(schema, where) }
  return {
    type: 'map',
    keys: { type: 'string', ...(schema.keys as KongField | undefined) },
    values: kongField(values, `${where}.*`, schema.valuesRequired === true),
    ...lengths(schema.minProperties, schema.maxProperties),
  }
}

/** A union of constants is a choice in Kong. */
function choicesOf(schema: Schema): readonly unknown[] | undefined {
  if (schema.enum) return schema.enum
  if (schema.const !== undefined) return [schema.const]
  if (!schema.anyOf) return undefined
  const constants = schema.anyOf.map(part => part.const)
  return constants.every(constant => constant !== undefined) ? constants : undefined
}

function choiceField(choices: readonly unknown[], where: string): KongField {
  const [first] = choices
  const type = typeof first
  if (!choices.every(choice => typeof choice === type) || (type !== 'string' && type !== 'number'))
    throw cannot(where, 'a choice that mixes types; use only strings or only numbers')
  return { type, one_of: choices }
}

function range(schema: Schema, where: string): KongField {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema as Record<
    string,
    number | undefined
  >
  const field: KongField = {}
  if (exclusiveMinimum !== undefined) field.gt = exclusiveMinimum
  if (minimum !== undefined || maximum !== undefined)
    field.between = [minimum ?? -Number.MAX_SAFE_INTEGER, maximum ?? Number.MAX_SAFE_INTEGER]
  if (exclusiveMaximum !== undefined) throw cannot(where, '`exclusiveMaximum`')
  return field
}

function lengths(min: unknown, max: unknown): KongField {
  return { ...(min !== undefined && { len_min: min }), ...(max !== undefined && { len_max: max }) }
}

const cannot = (where: string, what: string) =>
  new SluiceError('SLUICE_PLUGIN_INVALID', `${where}: Kong's schemas can't express ${what}`)

export type { TSchema }
