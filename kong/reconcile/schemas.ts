import { mapAtOnce } from '../admin/at-once.ts'
import type { AdminClient, Row } from '../admin/client.ts'
import { PLUGIN_RULES } from '../entities/plugin-rules.ts'
import { type FieldRule, withRules } from '../schema/rules.ts'
import { createSchema, type Schema } from '../schema/schema.ts'
import type { SchemaSpec } from '../schema/spec.ts'
import { KIND_NAMES, KINDS, type KindName } from './kinds.ts'

/** The schemas of one Kong, as its Admin API publishes them. */
export interface Schemas {
  /** Undefined when this Kong does not know the kind. */
  of(kind: KindName): Schema | undefined
  /** Whether the plugin is enabled in this Kong. */
  hasPlugin(name: string): boolean
  hasVault(name: string): boolean
}

/** What `GET /schemas/…` answered, before it is put to use. */
export interface SchemaSpecs {
  readonly kinds: ReadonlyMap<KindName, SchemaSpec>
  readonly plugins: Readonly<Record<string, SchemaSpec>>
  readonly vaults: Readonly<Record<string, SchemaSpec>>
}

/** Fetches the schemas of all kinds, and those of the plugins and vaults that are named. */
export async function fetchSchemas(
  client: AdminClient,
  plugins: Iterable<string>,
  vaults: Iterable<string>,
): Promise<SchemaSpecs> {
  return {
    kinds: new Map(await fetchAll(client, '/schemas/', KIND_NAMES)),
    plugins: await fetchSubschemas(client, 'plugins', plugins),
    vaults: await fetchSubschemas(client, 'vaults', vaults),
  }
}

/** Fetches the schemas of the plugins or vaults that are named; those that this Kong does not know are left out. */
export const fetchSubschemas = async (
  client: AdminClient,
  group: 'plugins' | 'vaults',
  names: Iterable<string>,
): Promise<Readonly<Record<string, SchemaSpec>>> =>
  Object.fromEntries(await fetchAll(client, `/schemas/${group}/`, names))

async function fetchAll<N extends string>(client: AdminClient, prefix: string, names: Iterable<N>) {
  const found = await mapAtOnce(new Set(names), async name => {
    const spec = await client.find(`${prefix}${encodeURIComponent(name)}`)
    return spec ? [[name, spec as SchemaSpec & Row] as const] : []
  })
  return found.flat()
}

/** Builds what fills in and checks entities as this Kong would. */
export function createSchemas(specs: SchemaSpecs): Schemas {
  const schemas = new Map<KindName, Schema>()
  const lookup = (name: string) => schemas.get(name as KindName)
  for (const [kind, spec] of specs.kinds) {
    const ofNames = kind === 'plugins' ? specs.plugins : kind === 'vaults' ? specs.vaults : undefined
    const ruled = withKnownRules(kind, spec)
    // The published form does not say that the name of a plugin or a vault chooses the schema of its configuration.
    const whole = ofNames ? { ...ruled, subschema_key: 'name' } : ruled
    const subschemas =
      (kind === 'plugins' ? withKnownShorthands(specs.plugins) : ofNames) ??
      (hasExpressions(kind, spec) ? undefined : KINDS[kind].subschemas)
    schemas.set(kind, createSchema(whole, subschemas, lookup))
  }
  return {
    of: kind => schemas.get(kind),
    hasPlugin: name => Object.hasOwn(specs.plugins, name),
    hasVault: name => Object.hasOwn(specs.vaults, name),
  }
}

/** With the router flavor `expressions` a route needs none of the fields that its protocols ask for otherwise. */
const hasExpressions = (kind: KindName, { fields }: SchemaSpec): boolean =>
  kind === 'routes' && fields.some(field => 'expression' in field)

/** What stands for other fields in configurations: Kong publishes that there is such a field, but not what it means. */
const withKnownShorthands = (plugins: SchemaSpecs['plugins']): SchemaSpecs['plugins'] =>
  Object.fromEntries(
    Object.entries(plugins).map(([name, spec]) => {
      const known = Object.entries(PLUGIN_RULES[name] ?? {}).filter(
        ([, rule]) => typeof rule === 'object' && rule.func !== undefined,
      )
      return [name, known.reduce(withRule, spec)]
    }),
  )

/** Without the rule where this Kong does not have the field. */
function withRule(spec: SchemaSpec, [path, rule]: readonly [path: string, rule: FieldRule]): SchemaSpec {
  try {
    return withRules(spec, { [path]: rule })
  } catch (error) {
    if (error instanceof TypeError) return spec
    throw error
  }
}

/**
 * The rules that Kong's published schema cannot hold, since they are functions: shorthands such as `url`, names, paths,
 * certificates that fit their keys. Rules for fields that this Kong does not have are skipped.
 */
function withKnownRules(kind: KindName, spec: SchemaSpec): SchemaSpec {
  let ruled = spec
  for (const [path, rule] of Object.entries(KINDS[kind].rules)) {
    // That WebAssembly is off is a fact of the local gateway, not of Kong.
    if (path === '' && (kind === 'filter_chains' || hasExpressions(kind, spec))) continue
    ruled = withRule(ruled, [path, rule])
  }
  return ruled
}
