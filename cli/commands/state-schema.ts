import { writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { createStateSchema } from '../../kong/desired/json-schema.ts'
import { createEntitySchemas } from '../../kong/entities/schemas.ts'
import { BUNDLED_PLUGINS } from '../../kong/gateway/plugins/bundled.ts'
import { isKindName } from '../../kong/reconcile/kinds.ts'
import type { SchemaSpec } from '../../kong/schema/spec.ts'
import { loadShippedPlugins } from '../../plugin-server/plugins.ts'
import { describePlugin } from '../../plugin-server/runtime/info.ts'

export const command = new Command()
  .option('-o, --output <file>', 'instead of the output')
  .action(async (flags: { readonly output?: string }) => {
    const text = await stateSchemaText()
    if (flags.output === undefined) process.stdout.write(text)
    else await writeFile(flags.output, text)
  })

/** The file `kong/desired/kong.schema.json`. */
export async function stateSchemaText(): Promise<string> {
  const builtin = Object.entries(BUNDLED_PLUGINS).map(([name, { schema }]) => [name, schema] as const)
  const shipped = (await loadShippedPlugins()).map(
    plugin => [plugin.name, describePlugin(plugin).Schema as unknown as SchemaSpec] as const,
  )
  const kinds = Object.fromEntries(
    Object.entries(createEntitySchemas({}))
      .filter(([name]) => isKindName(name))
      .map(([name, schema]) => [name, schema.spec]),
  )
  const schema = createStateSchema({ kinds, plugins: Object.fromEntries([...builtin, ...shipped]) })
  return `${JSON.stringify(schema, null, 2)}\n`
}
