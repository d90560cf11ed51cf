import { Command } from 'commander'
import { dumpState } from '../../kong/reconcile/dump.ts'
import { readState } from '../../kong/reconcile/read.ts'
import { type AdminFlags, withAdminOptions, withKong } from '../wiring/admin.ts'
import { type TagFlags, withTagOptions } from '../wiring/declared-state.ts'
import { writeGivenFile } from '../wiring/given-files.ts'

interface DumpStateFlags extends AdminFlags, TagFlags {
  readonly output?: string
  readonly withSecrets?: boolean
}

export const command = withTagOptions(withAdminOptions(new Command()))
  .option('-o, --output <file>', 'write to this file instead of standard output')
  .option('--with-secrets', 'write keys and passwords as they are, not as references to the environment')
  .action(async (flags: DumpStateFlags) => {
    const current = await withKong(flags, client => readState(client, { plugins: [], vaults: [] }))
    const { yaml, variables } = dumpState(current, {
      selectTags: flags.selectTag ?? [],
      withSecrets: flags.withSecrets ?? false,
    })
    if (flags.output === undefined) process.stdout.write(yaml)
    // Even without secrets it shows who may do what.
    else writeGivenFile('--output', flags.output, yaml, 0o600)
    if (variables.length > 0)
      process.stderr.write(`Secrets are left out: set ${variables.join(', ')} before you apply the file.\n`)
  })
