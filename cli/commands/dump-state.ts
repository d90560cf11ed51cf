import { writeFile } from 'node:fs/promises'
import { dumpState } from '../../kong/reconcile/dump.ts'
import { readState } from '../../kong/reconcile/read.ts'
import { type AdminFlags, adminCommand, withKong } from '../wiring/declared-state.ts'

interface DumpStateFlags extends AdminFlags {
  readonly output?: string
  readonly withSecrets?: boolean
}

export const command = adminCommand()
  .option('-o, --output <file>', 'instead of the output')
  .option('--with-secrets', 'write keys and passwords as they are, not as references to the environment')
  .action(async (flags: DumpStateFlags) => {
    const current = await withKong(flags, client => readState(client, { plugins: [], vaults: [] }))
    const { yaml, variables } = dumpState(current, {
      selectTags: flags.selectTag,
      withSecrets: flags.withSecrets ?? false,
    })
    if (flags.output === undefined) process.stdout.write(yaml)
    // Even without secrets it tells who may do what.
    else await writeFile(flags.output, yaml, { mode: 0o600 })
    if (variables.length > 0)
      process.stderr.write(`Secrets are not in it: set ${variables.join(', ')} before it is applied.\n`)
  })
