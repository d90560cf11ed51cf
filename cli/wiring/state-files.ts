/** The files of a declared state: single ones, folders, standard input. */
import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Command } from 'commander'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { type DeclaredState, readDeclared } from '../../kong/reconcile/files/declared.ts'
import { readSource, type Source } from '../../kong/reconcile/files/source.ts'
import { collect } from './admin.ts'

export interface FileFlags {
  readonly file: readonly string[]
}

export const withFileOptions = (command: Command): Command =>
  command.requiredOption(
    '-f, --file <path>',
    'declared state: a file, a folder of .yaml, .yml and .json files, or - for standard input; repeatable',
    collect,
  )

/**
 * Reads files and folders, and fills in the environment.
 *
 * @throws SluiceError SLUICE_CLI_USAGE for what cannot be read. Mistakes in the files stand in the state.
 */
export async function readState({ file }: FileFlags): Promise<DeclaredState> {
  const files = await Promise.all(file.map(expand))
  // The same file twice would declare everything twice.
  const sources = await Promise.all([...new Set(files.flat())].map(readOne))
  return readDeclared(sources)
}

async function readOne(file: string): Promise<Source> {
  if (file === '-') return readSource(await readInput(), 'stdin', process.env)
  return readSource(await attempt(file, () => readFile(file, 'utf8')), file, process.env)
}

/** The files of a folder, those of its folders included. */
async function expand(file: string): Promise<readonly string[]> {
  if (file === '-') return ['-']
  const stats = await attempt(file, () => stat(file))
  if (!stats.isDirectory()) return [path.normalize(file)]
  const entries = await attempt(file, () => readdir(file, { recursive: true, withFileTypes: true }))
  const found = entries
    .filter(entry => entry.isFile() && isState(entry.name))
    .map(entry => path.join(entry.parentPath, entry.name))
    .sort()
  if (found.length === 0)
    throw new SluiceError('SLUICE_CLI_USAGE', `${file} holds no .yaml, .yml or .json file`)
  return found
}

/** JSON Schemas lie beside the states that they describe. */
const isState = (name: string): boolean =>
  /\.(ya?ml|json)$/i.test(name) && !name.startsWith('.') && !name.endsWith('.schema.json')

async function attempt<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw new SluiceError('SLUICE_CLI_USAGE', `cannot read ${file}: ${messageOf(error)}`)
  }
}

async function readInput(): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
