import { LOOKUP_KEYS } from '../reconcile/files/meta.ts'
import { KIND_NAMES, KINDS, type KindName, nestingField } from '../reconcile/kinds.ts'
import { entryOf, type FieldSpec, type SchemaSpec } from '../schema/spec.ts'

type Json = Readonly<Record<string, unknown>>

/** What an editor may offer and check in a declared state. */
export interface SchemaSources {
  /** Kinds without a schema are accepted as they are. */
  readonly kinds: Readonly<Partial<Record<KindName, SchemaSpec | undefined>>>
  /** Plugins by name. Others are accepted with any configuration. */
  readonly plugins: Readonly<Record<string, SchemaSpec>>
}

/** `${{ env "NAME" }}` may stand for any single value. */
const EXPRESSION: Json = { type: 'string', pattern: '\\$\\{\\{.*\\}\\}' }

/** Another entity, by its name or id. */
const REFERENCE: Json = {
  anyOf: [
    { type: 'string' },
    {
      type: 'object',
      properties: { id: { type: 'string' }, name: { type: 'string' }, username: { type: 'string' } },
      additionalProperties: false,
      minProperties: 1,
    },
  ],
}

/** Makes the JSON Schema (draft 07, which editors know best) of a declared state from Kong's schemas. */
export function createStateSchema(sources: SchemaSources): Json {
  const lists = Object.fromEntries(KIND_NAMES.map(kind => [kind, listOf(kind)]))
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: "Declared state of a Kong Gateway, in decK's file format",
    type: 'object',
    required: ['_format_version'],
    properties: {
      $schema: { type: 'string' },
      _format_version: { type: 'string', pattern: '^(3(\\.\\d+)?|[12]\\.1)$', default: '3.0' },
      _info: infoSchema(),
      _plugin_configs: {
        type: 'object',
        description: 'configurations that plugins share by `_config`',
        additionalProperties: { type: 'object' },
      },
      _workspace: { const: 'default' },
      _transform: { const: true },
      _comment: { type: 'string' },
      _ignore: {},
      ...lists,
    },
    additionalProperties: false,
    definitions: Object.fromEntries(KIND_NAMES.map(kind => [kind, entitySchema(kind, sources)])),
  }
}

const listOf = (kind: KindName): Json => ({
  type: ['array', 'null'],
  items: { $ref: `#/definitions/${kind}` },
})

function infoSchema(): Json {
  const tags = { type: 'array', items: { type: 'string', minLength: 1 } }
  return {
    type: 'object',
    properties: {
      select_tags: {
        ...tags,
        description: 'every entity bears these; only entities that bear them are touched',
      },
      default_lookup_tags: {
        type: 'object',
        description: 'for decK; here references are looked up in all of Kong',
        properties: Object.fromEntries(LOOKUP_KEYS.map(name => [name, tags])),
        additionalProperties: false,
      },
      defaults: {
        type: 'object',
        description: 'values for all entities of a kind',
        properties: Object.fromEntries(KIND_NAMES.map(kind => [KINDS[kind].event, { type: 'object' }])),
        additionalProperties: false,
      },
    },
    additionalProperties: false,
  }
}

function entitySchema(kind: KindName, { kinds, plugins }: SchemaSources): Json {
  const spec = kinds[kind]
  const nested = Object.fromEntries(
    KIND_NAMES.filter(inner => nestingField(kind, inner) !== undefined).map(inner => [inner, listOf(inner)]),
  )
  if (!spec) return { type: 'object', properties: nested }
  const properties: Record<string, unknown> = {}
  for (const field of spec.fields) {
    const [name, fieldSpec] = entryOf(field)
    if (!['created_at', 'updated_at'].includes(name)) properties[name] = fieldSchema(fieldSpec)
  }
  if (kind === 'services')
    properties.url = { type: 'string', description: 'stands for protocol, host, port and path' }
  if (spec.ttl) properties.ttl = fieldSchema({ type: 'integer', description: 'seconds to live' })
  if (kind !== 'plugins')
    return { type: 'object', properties: { ...properties, ...nested }, additionalProperties: false }
  return {
    type: 'object',
    required: ['name'],
    properties: {
      ...properties,
      name: { anyOf: [{ enum: Object.keys(plugins).sort() }, { type: 'string' }] },
      config: { type: 'object' },
      _config: { type: 'string', description: 'name of a configuration in `_plugin_configs`' },
    },
    additionalProperties: false,
    allOf: Object.entries(plugins).map(([name, plugin]) => ({
      if: { properties: { name: { const: name } } },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
      then: { properties: { config: configSchema(plugin) } },
    })),
  }
}

function configSchema(plugin: SchemaSpec): Json {
  const config = plugin.fields.map(entryOf).find(([name]) => name === 'config')?.[1]
  // What is missing may come from `_config`, so nothing is required here.
  return config ? withoutRequired(fieldSchema(config)) : { type: 'object' }
}

function withoutRequired({ required: _required, ...schema }: Json): Json {
  return schema
}

/** One field. Lua's patterns are left out: they are not those of JSON Schema. */
function fieldSchema(spec: FieldSpec): Json {
  const about = {
    ...(spec.description !== undefined && { description: spec.description }),
    ...(spec.default !== undefined && spec.default !== null && { default: spec.default }),
  }
  const value = valueSchema(spec)
  return { ...about, ...(spec.required === true ? value : orNull(value)) }
}

const orNull = (schema: Json): Json =>
  Object.keys(schema).length === 0 ? schema : { anyOf: [schema, { type: 'null' }] }

function valueSchema(spec: FieldSpec): Json {
  switch (spec.type) {
    case 'string':
      // An empty list is what is installed in one Kong: filters of WebAssembly.
      return spec.one_of && spec.one_of.length > 0
        ? { anyOf: [{ enum: spec.one_of }, EXPRESSION] }
        : {
            type: 'string',
            ...(spec.len_min !== undefined && { minLength: spec.len_min }),
            ...(spec.len_max !== undefined && { maxLength: spec.len_max }),
          }
    case 'integer':
    case 'number':
      return { anyOf: [numberSchema(spec), EXPRESSION] }
    case 'boolean':
      return { anyOf: [{ type: 'boolean' }, EXPRESSION] }
    case 'array':
    case 'set':
      return {
        type: 'array',
        ...(spec.elements && { items: withoutNull(spec.elements) }),
        ...(spec.type === 'set' && { uniqueItems: true }),
        ...(spec.len_min !== undefined && { minItems: spec.len_min }),
      }
    case 'map':
      return { type: 'object', ...(spec.values && { additionalProperties: withoutNull(spec.values) }) }
    case 'record':
      return spec.fields ? recordSchema(spec) : { type: 'object' }
    case 'foreign':
      return spec.eq === null ? { type: 'null' } : REFERENCE
    default:
      return {}
  }
}

const withoutNull = (spec: FieldSpec): Json => fieldSchema({ ...spec, required: true })

const numberSchema = ({ type, one_of, between, gt }: FieldSpec): Json =>
  one_of
    ? { enum: one_of }
    : {
        type,
        ...(between && { minimum: between[0], maximum: between[1] }),
        ...(gt !== undefined && { exclusiveMinimum: gt }),
      }

function recordSchema(spec: FieldSpec): Json {
  const fields = (spec.fields ?? []).map(entryOf)
  const shorthands = (spec.shorthand_fields ?? []).map(entryOf)
  const required = fields.filter(([, f]) => f.required && f.default === undefined && f.type !== 'record')
  return {
    type: 'object',
    properties: Object.fromEntries(
      [...shorthands, ...fields].map(([name, field]) => [name, fieldSchema(field)]),
    ),
    ...(required.length > 0 && { required: required.map(([name]) => name) }),
    additionalProperties: false,
  }
}
