/**
 * Reads a plugin's configuration as Kong sends it: fills in defaults, repairs what Lua can't express, and checks every
 * value against the declaration. Kong has checked it already; a foreign gateway, or an older schema, may not have.
 */

import { canonicalJson } from '../../foundation/canonical-json.ts'
import { SluiceError } from '../../foundation/errors.ts'
import type { InstanceScope } from '../../sdk/definition.ts'
import type { Schema } from './json-schema.ts'

export interface ReadConfiguration {
  readonly config: Readonly<Record<string, unknown>>
  readonly scope: InstanceScope
  /** Equal for equal configurations of one plugin entity, whatever Kong worker sent them and in what order. */
  readonly identity: string
}

/** Differ per worker or per restart of Kong, so they must not tell configurations apart. */
const NOT_IDENTITY = new Set(['__seq__', '__key__'])

/**
 * @param json as Kong sent it.
 * @throws SLUICE_PLUGIN_CONFIG that names every wrong field by its path, without its value.
 */
export function readConfiguration(plugin: string, schema: unknown, json: string): ReadConfiguration {
  const sent = parse(plugin, json)
  const problems: string[] = []
  const config = readObject(schema as Schema, sent, 'config', problems)
  if (problems.length > 0)
    throw new SluiceError('SLUICE_PLUGIN_CONFIG', `${plugin}: ${problems.join('; ')}`, {
      details: { problems },
    })
  const relevant = Object.fromEntries(Object.entries(sent).filter(([name]) => !NOT_IDENTITY.has(name)))
  return { config, scope: scopeOf(sent), identity: canonicalJson(relevant) }
}

function parse(plugin: string, json: string): Readonly<Record<string, unknown>> {
  let sent: unknown
  try {
    sent = JSON.parse(json)
  } catch {
    throw new SluiceError('SLUICE_PLUGIN_CONFIG', `${plugin}: the configuration is not JSON`)
  }
  if (typeof sent !== 'object' || sent === null || Array.isArray(sent))
    throw new SluiceError('SLUICE_PLUGIN_CONFIG', `${plugin}: the configuration is not an object`)
  return sent as Record<string, unknown>
}

function scopeOf(sent: Readonly<Record<string, unknown>>): InstanceScope {
  const text = (name: string) =>
    typeof sent[name] === 'string' && sent[name] !== '' ? sent[name] : undefined
  const workspaceId = text('__ws_id')
  const serviceId = text('service_id')
  const routeId = text('route_id')
  const consumerId = text('consumer_id')
  const instanceName = text('plugin_instance_name')
  return {
    pluginId: text('__plugin_id') ?? '',
    ...(workspaceId !== undefined && { workspaceId }),
    ...(serviceId !== undefined && { serviceId }),
    ...(routeId !== undefined && { routeId }),
    ...(consumerId !== undefined && { consumerId }),
    ...(instanceName !== undefined && { instanceName }),
  }
}

function readObject(
  schema: Schema,
  sent: Readonly<Record<string, unknown>>,
  path: string,
  problems: string[],
): Record<string, unknown> {
  // Undeclared fields are Kong's own, unless the plugin takes whatever comes.
  const read: Record<string, unknown> = schema.additionalProperties === true ? { ...sent } : {}
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const value = sent[name] ?? structuredClone(property.default)
    if (value !== undefined && value !== null)
      read[name] = readValue(property, value, `${path}.${name}`, problems)
    else if (schema.required?.includes(name)) {
      // A record whose fields all have defaults may be absent.
      if (property.type === 'object' && property.properties)
        read[name] = readObject(property, {}, `${path}.${name}`, problems)
      else problems.push(`${path}.${name} is required`)
    }
  }
  return read
}

/** Reads one value of a declaration; what is wrong goes to `problems`, with the path and without the value. */
export function readValue(schema: Schema, value: unknown, path: string, problems: string[]): unknown {
  const wrong = (what: string) => {
    problems.push(`${path} ${what}`)
    return value
  }
  if (schema.anyOf || schema.enum || schema.const !== undefined) {
    if (schema.anyOf?.some(part => part.const === undefined)) return readUnion(schema, value, path, problems)
    const choices = schema.enum ?? schema.anyOf?.map(part => part.const) ?? [schema.const]
    return choices.includes(value) ? value : wrong(`must be one of ${choices.join(', ')}`)
  }
  switch (schema.type) {
    case 'string':
      if (typeof value !== 'string') return wrong('must be a string')
      checkLength(schema.minLength, schema.maxLength, value.length, wrong)
      if (typeof schema.pattern === 'string' && !new RegExp(schema.pattern, 'u').test(value))
        return wrong(`must match ${schema.pattern}`)
      return value
    case 'boolean':
      return typeof value === 'boolean' ? value : wrong('must be a boolean')
    case 'integer':
    case 'number':
      if (typeof value !== 'number' || !Number.isFinite(value)) return wrong('must be a number')
      if (schema.type === 'integer' && !Number.isInteger(value)) return wrong('must be an integer')
      checkRange(schema, value, wrong)
      return value
    case 'array': {
      const items = asList(value)
      if (!items) return wrong('must be an array')
      checkLength(schema.minItems, schema.maxItems, items.length, wrong)
      return items.map((item, index) => readValue(schema.items ?? {}, item, `${path}[${index}]`, problems))
    }
    case 'object': {
      if (typeof value !== 'object' || value === null || (Array.isArray(value) && value.length > 0))
        return wrong('must be an object')
      const fields = (Array.isArray(value) ? {} : value) as Record<string, unknown>
      const [values] = Object.values(schema.patternProperties ?? {})
      if (!values) return readObject(schema, fields, path, problems)
      return Object.fromEntries(
        Object.entries(fields).map(([name, item]) => [
          name,
          readValue(values, item, `${path}.${name}`, problems),
        ]),
      )
    }
  }
  return value
}

/** Lua can't tell an empty list from an empty table, so Kong may send `{}` for it. */
function asList(value: unknown): readonly unknown[] | undefined {
  if (Array.isArray(value)) return value
  const empty = typeof value === 'object' && value !== null && Object.keys(value).length === 0
  return empty ? [] : undefined
}

/** The first alternative without a problem; where there is none, the problems of the first. */
function readUnion(schema: Schema, value: unknown, path: string, problems: string[]): unknown {
  const attempts = schema.anyOf!.map(part => {
    const found: string[] = []
    return { value: readValue(part, value, path, found), found }
  })
  const good = attempts.find(attempt => attempt.found.length === 0)
  if (good) return good.value
  problems.push(...(attempts[0]?.found ?? []))
  return value
}

type Wrong = (what: string) => unknown

function checkLength(min: unknown, max: unknown, length: number, wrong: Wrong): void {
  if (typeof min === 'number' && length < min) wrong(`must have a length of at least ${min}`)
  if (typeof max === 'number' && length > max) wrong(`must have a length of at most ${max}`)
}

function checkRange(schema: Schema, value: number, wrong: Wrong): void {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, gt, lt } = schema as Record<
    string,
    number | undefined
  >
  const above = exclusiveMinimum ?? gt
  const below = exclusiveMaximum ?? lt
  if (minimum !== undefined && value < minimum) wrong(`must be at least ${minimum}`)
  if (maximum !== undefined && value > maximum) wrong(`must be at most ${maximum}`)
  if (above !== undefined && value <= above) wrong(`must be greater than ${above}`)
  if (below !== undefined && value >= below) wrong(`must be less than ${below}`)
}
