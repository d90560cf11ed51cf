import { compileLuaPattern } from './lua-pattern.ts'
import { isObject } from './spec.ts'

/**
 * Finds what Kong would refuse in a schema before it takes it from a plugin server: a single fault there keeps Kong
 * from starting, so it is told with its place.
 */

const TYPES = ['string', 'number', 'integer', 'boolean', 'array', 'set', 'map', 'record', 'foreign', 'json']

/** What stands beneath a field of each type. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  array: ['elements'],
  set: ['elements'],
  map: ['keys', 'values'],
}

type Tree = Record<string, unknown>

/** The first fault with its place, such as `config.limits.elements: has no type`; nothing for a good schema. */
export function findSchemaFault(schema: unknown): string | undefined {
  if (!isObject(schema)) return 'is not an object'
  if (typeof schema.name !== 'string') return 'has no name'
  const fault = faultInFields(schema.fields, '')
  if (fault) return fault
  const names = (schema.fields as Tree[]).map(field => Object.keys(field)[0])
  return names.includes('config') ? undefined : 'has no field config'
}

function faultInFields(fields: unknown, place: string): string | undefined {
  const where = place === '' ? 'fields' : `${place}.fields`
  if (!Array.isArray(fields)) return `${where}: is not a list`
  const seen = new Set<string>()
  for (const [i, field] of fields.entries()) {
    const entries = isObject(field) ? Object.entries(field) : []
    if (entries.length !== 1) return `${where}.${i + 1}: is not an object with one name`
    const [name, spec] = entries[0]!
    if (seen.has(name)) return `${where}.${i + 1}: the name '${name}' stands there twice`
    seen.add(name)
    const fault = faultInField(spec, place === '' ? name : `${place}.${name}`)
    if (fault) return fault
  }
  return undefined
}

function faultInField(spec: unknown, place: string): string | undefined {
  if (!isObject(spec)) return `${place}: is not an object`
  const { type } = spec
  if (type === undefined) return `${place}: has no type`
  if (typeof type !== 'string' || !TYPES.includes(type))
    return `${place}: the type ${JSON.stringify(type)} is not one of ${TYPES.join(', ')}`
  if (type === 'record') return faultInFields(spec.fields, place) ?? faultInRules(spec, place)
  for (const part of PARTS[type] ?? []) {
    const fault = faultInField(spec[part], `${place}.${part}`)
    if (fault) return fault
  }
  return faultInRules(spec, place)
}

function faultInRules(spec: Tree, place: string): string | undefined {
  const { description } = spec
  if (description !== undefined) {
    if (typeof description !== 'string') return `${place}.description: is not a string`
    if (description.length < 10 || description.length > 500)
      return `${place}.description: has ${description.length} characters, not 10 to 500`
  }
  if (spec.one_of !== undefined && !Array.isArray(spec.one_of)) return `${place}.one_of: is not a list`
  if (spec.between !== undefined) {
    const limits = spec.between
    if (!Array.isArray(limits) || limits.length !== 2 || limits.some(limit => typeof limit !== 'number'))
      return `${place}.between: is not two numbers`
  }
  for (const rule of ['gt', 'len_eq', 'len_min', 'len_max'])
    if (spec[rule] !== undefined && typeof spec[rule] !== 'number') return `${place}.${rule}: is not a number`
  for (const rule of ['match', 'not_match']) {
    const pattern = spec[rule]
    if (pattern === undefined) continue
    if (typeof pattern !== 'string') return `${place}.${rule}: is not a pattern`
    try {
      compileLuaPattern(pattern)
    } catch (error) {
      return `${place}.${rule}: ${error instanceof Error ? error.message : String(error)}`
    }
  }
  return undefined
}
