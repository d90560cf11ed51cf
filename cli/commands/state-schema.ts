import { Command } from 'commander'
import { createStateSchema } from '../../kong/desired/json-schema.ts'
import { KIND_NAMES } from '../../kong/reconcile/kinds.ts'
import { createSchemas } from '../../kong/reconcile/schemas.ts'
import { loadShippedPlugins } from '../../plugin-server/plugins.ts'
import { writeGivenFile } from '../wiring/given-files.ts'
import { knownSchemas } from '../wiring/known-schemas.ts'

export const command = new Command()
  .option('-o, --output <file>', 'write to this file instead of standard output')
  .action(async (flags: { readonly output?: string }) => {
    const text = await stateSchemaText()
    if (flags.output === undefined) process.stdout.write(text)
    else writeGivenFile('--output', flags.output, text)
  })

/** The file `kong/desired/kong.schema.json`. */
export async function stateSchemaText(): Promise<string> {
  const known = knownSchemas(await loadShippedPlugins())
  const schemas = createSchemas(known)
  const kinds = Object.fromEntries(KIND_NAMES.map(kind => [kind, schemas.of(kind)?.spec]))
  return `${JSON.stringify(createStateSchema({ kinds, plugins: known.plugins }), null, 2)}\n`
}
