/** The schemas that are known without a Kong: those recorded of Kong 3.9.3, those of plugins, and of plugin dumps. */
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { ENTITIES } from '../../kong/entities/entities.ts'
import { recordedSchema } from '../../kong/entities/recorded.ts'
import { BUNDLED_PLUGINS } from '../../kong/gateway/plugins/bundled.ts'
import { KIND_NAMES, type KindName } from '../../kong/reconcile/kinds.ts'
import type { SchemaSpecs } from '../../kong/reconcile/schemas.ts'
import type { SchemaSpec } from '../../kong/schema/spec.ts'
import { describePlugin } from '../../plugin-server/runtime/info.ts'
import type { AnyPlugin } from '../../plugin-server/runtime/registry.ts'
import { readGivenFile } from './given-files.ts'

export interface KnownOptions {
  /** Files with what a plugin server prints for Kong's `query_cmd`. */
  readonly dumps?: readonly string[]
  /** Routes have expressions (`KONG_ROUTER_FLAVOR=expressions`). */
  readonly hasExpressions?: boolean
}

export function knownSchemas(
  plugins: readonly AnyPlugin[],
  { dumps = [], hasExpressions = false }: KnownOptions = {},
): SchemaSpecs {
  const bundled = Object.entries(BUNDLED_PLUGINS).map(([name, { schema }]) => [name, schema] as const)
  const loaded = plugins.map(plugin => [plugin.name, describePlugin(plugin).Schema as SchemaSpec] as const)
  return {
    kinds: new Map(KIND_NAMES.map(kind => [kind, schemaOf(kind, hasExpressions)])),
    plugins: Object.fromEntries([...bundled, ...loaded, ...dumps.flatMap(readDump)]),
    vaults: ENTITIES.vaults.subschemas,
  }
}

/** Fields of a route that only the flavor `expressions` has. */
const EXPRESSION_FIELDS: SchemaSpec['fields'] = [
  { expression: { type: 'string' } },
  { priority: { type: 'integer', required: true, default: 0, between: [0, 2 ** 46 - 1] } },
]

function schemaOf(kind: KindName, hasExpressions: boolean): SchemaSpec {
  // Without rules: they are added to whatever a Kong published.
  const schema = recordedSchema('entities', kind)
  if (kind === 'routes' && hasExpressions)
    return { ...schema, fields: [...schema.fields, ...EXPRESSION_FIELDS] }
  if (kind !== 'filter_chains') return schema
  // Which filters are installed differs from Kong to Kong; the recorded one had none, and its list is empty.
  const text = JSON.stringify(schema, (name, value) =>
    name === 'one_of' && isEmpty(value) ? undefined : value,
  )
  return JSON.parse(text) as SchemaSpec
}

const isEmpty = (value: unknown): boolean => Array.isArray(value) && value.length === 0

interface Dump {
  readonly Plugins?: readonly { readonly Name: string; readonly Schema: SchemaSpec }[]
}

function readDump(file: string): readonly (readonly [string, SchemaSpec])[] {
  const text = readGivenFile('--plugin-dump', file)
  try {
    const { Plugins } = JSON.parse(text) as Dump
    if (!Plugins) throw new Error('it has no Plugins')
    return Plugins.map(({ Name, Schema }) => [Name, Schema] as const)
  } catch (error) {
    throw new SluiceError(
      'SLUICE_CLI_FILE',
      `--plugin-dump: ${file} is not a plugin dump: ${messageOf(error)}`,
    )
  }
}
