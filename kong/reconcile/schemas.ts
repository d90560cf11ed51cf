import type { AdminClient } from '../admin/client.ts'
import { createSchema, type Schema } from '../schema/schema.ts'
import type { SchemaSpec } from '../schema/spec.ts'
import { KIND_NAMES, type KindName } from './kinds.ts'

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
  const fetchAll = async <N extends string>(prefix: string, names: Iterable<N>) => {
    const found = await Promise.all(
      [...new Set(names)].map(
        async name => [name, await client.find(`${prefix}${encodeURIComponent(name)}`)] as const,
      ),
    )
    return found.filter(([, spec]) => spec !== undefined) as unknown as readonly (readonly [N, SchemaSpec])[]
  }
  const [kinds, ofPlugins, ofVaults] = await Promise.all([
    fetchAll('/schemas/', KIND_NAMES),
    fetchAll('/schemas/plugins/', plugins),
    fetchAll('/schemas/vaults/', vaults),
  ])
  return {
    kinds: new Map(kinds),
    plugins: Object.fromEntries(ofPlugins),
    vaults: Object.fromEntries(ofVaults),
  }
}

/** Builds what fills in and checks entities as this Kong would. */
export function createSchemas(specs: SchemaSpecs): Schemas {
  const schemas = new Map<KindName, Schema>()
  const lookup = (name: string) => schemas.get(name as KindName)
  for (const [kind, spec] of specs.kinds) {
    // The published form does not say that the name of a plugin or a vault chooses the schema of its configuration.
    const chosen = kind === 'plugins' ? specs.plugins : kind === 'vaults' ? specs.vaults : undefined
    const whole = chosen ? { ...spec, subschema_key: 'name' } : spec
    schemas.set(kind, createSchema(whole, chosen, lookup))
  }
  return {
    of: kind => schemas.get(kind),
    hasPlugin: name => Object.hasOwn(specs.plugins, name),
    hasVault: name => Object.hasOwn(specs.vaults, name),
  }
}
