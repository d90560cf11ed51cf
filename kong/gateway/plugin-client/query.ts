import { execFile } from 'node:child_process'
import { messageOf, SluiceError } from '../../../foundation/errors.ts'
import type { SchemaSpec } from '../../schema/spec.ts'
import type { PluginServerSettings } from './settings.ts'

/** What a plugin server reports of its plugin. */
export interface DumpedPlugin {
  readonly protocol: 'ProtoBuf:1' | 'MsgPack:1'
  readonly name: string
  readonly version: string
  readonly priority: number
  readonly phases: readonly string[]
  readonly schema: SchemaSpec
}

const PROTOCOLS = ['ProtoBuf:1', 'MsgPack:1'] as const
const MAX_DUMP_BYTES = 16 << 20

/**
 * Runs the query command by a shell and reads its output as Kong 3.9 does: all of it must be one JSON value, a bare
 * list means MsgPack:1, and only the first plugin counts.
 *
 * @throws SLUICE_GATEWAY_CONFIG for an output that is no dump.
 */
export async function queryPlugin(server: PluginServerSettings): Promise<DumpedPlugin> {
  const output = await run(server.queryCommand)
  const wrong = (what: string) =>
    new SluiceError('SLUICE_GATEWAY_CONFIG', `plugin server '${server.name}': ${what}`)
  let dump: unknown
  try {
    dump = JSON.parse(output)
  } catch (error) {
    throw wrong(
      `failed decoding plugin info: ${messageOf(error)}; the query command ${JSON.stringify(server.queryCommand)} printed ${JSON.stringify(output.slice(0, 120))}`,
    )
  }
  if (typeof dump !== 'object' || dump === null) throw wrong('not a plugin info table')
  const { Protocol: protocol = 'MsgPack:1', Plugins: plugins = dump } = dump as Dump
  if (!PROTOCOLS.includes(protocol as never)) throw wrong(`unknown protocol implementation: ${protocol}`)
  const first = (plugins as readonly DumpEntry[])[0]
  if (typeof first?.Name !== 'string') throw wrong('its dump holds no plugin')
  return {
    protocol: protocol as DumpedPlugin['protocol'],
    name: first.Name,
    version: first.Version ?? '0.0.0',
    priority: first.Priority ?? 0,
    phases: first.Phases ?? [],
    schema: first.Schema,
  }
}

interface Dump {
  readonly Protocol?: string
  readonly Plugins?: unknown
}

interface DumpEntry {
  readonly Name: string
  readonly Version?: string
  readonly Priority?: number
  readonly Phases?: readonly string[]
  readonly Schema: SchemaSpec
}

/** Kong ignores the exit status, and does not capture the error output. */
function run(command: string): Promise<string> {
  return new Promise(resolve => {
    const child = execFile('/bin/sh', ['-c', command], { maxBuffer: MAX_DUMP_BYTES }, (_, stdout) =>
      resolve(stdout),
    )
    child.stderr?.pipe(process.stderr, { end: false })
  })
}
