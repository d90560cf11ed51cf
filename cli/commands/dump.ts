import { Command, Option } from 'commander'
import { SluiceError } from '../../foundation/errors.ts'
import { readSettings } from '../../foundation/settings.ts'
import { createDump, type Dump } from '../../plugin-server/runtime/info.ts'
import type { Protocol } from '../../protocol/calls.ts'
import { toText, writeDumps } from '../wiring/dump-files.ts'
import { withGivenFile } from '../wiring/given-files.ts'
import { loadAskedPlugins, type PluginFlags, withPluginOptions } from '../wiring/plugin-options.ts'

interface DumpFlags extends PluginFlags {
  readonly plugin?: string
  readonly out?: string
  readonly protocol: Protocol
}

export const command = withPluginOptions(new Command())
  .option('--plugin <name>', 'only this plugin; Kong 3.9 reads only the first of a dump')
  .option('--out <folder>', 'write one file per plugin, for a Kong whose query_cmd is `cat FILE`')
  .addOption(
    new Option('--protocol <protocol>', 'protocol that Kong is told to use')
      .choices(['ProtoBuf:1', 'MsgPack:1'])
      .default('ProtoBuf:1'),
  )
  .action(async (flags: DumpFlags) => {
    const { socket } = readSettings()
    const print = keepStdoutClean()
    const all = await loadAskedPlugins(flags)
    const chosen = flags.plugin === undefined ? all : all.filter(({ name }) => name === flags.plugin)
    if (flags.plugin !== undefined && chosen.length === 0)
      throw new SluiceError(
        'SLUICE_PLUGIN_UNKNOWN',
        `there is no plugin ${JSON.stringify(flags.plugin)}, only ${all.map(({ name }) => name).join(', ')}`,
      )
    if (flags.out === undefined) {
      await print(createDump(chosen, flags.protocol, socket))
      return
    }
    const { out, protocol } = flags
    withGivenFile('--out', 'write', out, () => writeDumps(out, chosen, { protocol, socket }))
  })

/**
 * Sends to stderr what plugins print while they are loaded: one stray byte on stdout would break the start of Kong.
 *
 * @returns what prints the dump, and waits until the pipe has taken all of it: the process may end at once.
 */
function keepStdoutClean(): (dump: Dump) => Promise<void> {
  const { stdout, stderr } = process
  const write = stdout.write.bind(stdout)
  stdout.write = stderr.write.bind(stderr)
  return dump =>
    new Promise((resolve, reject) => {
      write(toText(dump), error => (error ? reject(error) : resolve()))
    })
}
