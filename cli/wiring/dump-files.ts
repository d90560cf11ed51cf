import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createDump, type Dump } from '../../plugin-server/runtime/info.ts'
import type { AnyPlugin } from '../../plugin-server/runtime/registry.ts'
import type { Protocol } from '../../protocol/calls.ts'

export interface DumpTarget {
  /** The socket as Kong sees it. */
  readonly socket: string
  readonly protocol: Protocol
}

/** Where dumps lie by default: beside the socket, which Kong can reach. */
const dumpFolderOf = (socket: string): string => `${socket}.dump`

/** Writes one file a plugin, `NAME.json`, since Kong 3.9 reads only the first plugin of a dump. */
export function writeDumps(folder: string, plugins: readonly AnyPlugin[], target: DumpTarget): void {
  mkdirSync(folder, { recursive: true })
  for (const plugin of plugins)
    replaceFile(
      path.join(folder, `${plugin.name}.json`),
      createDump([plugin], target.protocol, target.socket),
    )
}

/** Writes the dumps beside the socket, whose folder must be there: whoever makes it decides who may enter. */
export function writeDumpsBeside(socket: string, plugins: readonly AnyPlugin[]): string {
  const folder = dumpFolderOf(socket)
  if (!existsSync(path.dirname(socket))) throw new Error(`no folder ${path.dirname(socket)}`)
  writeDumps(folder, plugins, { socket, protocol: 'ProtoBuf:1' })
  return folder
}

/** Keeps what `sluice kong-conf` wrote beside the socket as the plugins are now; does nothing where it wrote nothing. */
export function refreshDumps(socket: string, plugins: readonly AnyPlugin[]): void {
  if (existsSync(dumpFolderOf(socket))) writeDumpsBeside(socket, plugins)
}

export const toText = (dump: Dump): string => `${JSON.stringify(dump)}\n`

/** Kong may read the file while it is written, so it appears whole. */
function replaceFile(file: string, dump: Dump): void {
  const beside = `${file}.${process.pid}`
  writeFileSync(beside, toText(dump))
  renameSync(beside, file)
}
