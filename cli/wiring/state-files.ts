/** The files of a declared state: single ones, folders, standard input. */
import { type Dirent, readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { SluiceError } from '../../foundation/errors.ts'
import { type DeclaredState, readDeclared } from '../../kong/reconcile/files/declared.ts'
import { readSource, type Source } from '../../kong/reconcile/files/source.ts'
import { collect } from './admin.ts'
import { withGivenFile } from './given-files.ts'

/** What a folder may hold, folders within it included. */
const MAX_FILES = 1_000
const MAX_ENTRIES = 50_000

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
 * @throws SluiceError SLUICE_CLI_FILE for what cannot be read. Mistakes in the files stand in the state.
 */
export async function readState({ file }: FileFlags): Promise<DeclaredState> {
  // The same file twice would declare everything twice.
  const files = [...new Set(file.flatMap(expand))]
  const sources = await Promise.all(files.map(readOne))
  return readDeclared(sources)
}

async function readOne(file: string): Promise<Source> {
  if (file === '-') return readSource(await readInput(), 'stdin', process.env)
  return readSource(
    fromGiven(file, () => readFileSync(file, 'utf8')),
    file,
    process.env,
  )
}

/** The files of a folder, those of its folders included; hidden ones and links to folders are left out. */
function expand(file: string): readonly string[] {
  if (file === '-') return ['-']
  if (!fromGiven(file, () => statSync(file)).isDirectory()) return [path.normalize(file)]
  const found: string[] = []
  let entries = 0
  const folders = [file]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const here = folder
    for (const entry of fromGiven(here, () => readdirSync(here, { withFileTypes: true }))) {
      entries++
      // A ConfigMap that Kubernetes mounts is a folder of links into a hidden one.
      if (entry.name.startsWith('.')) continue
      const name = path.join(here, entry.name)
      if (entry.isDirectory()) folders.push(name)
      else if (isState(entry.name) && isFile(entry, name)) found.push(name)
    }
    // The root of a disk or of a big repository, by mistake.
    if (found.length > MAX_FILES || entries > MAX_ENTRIES) throw tooMany(file)
  }
  if (found.length === 0)
    throw new SluiceError('SLUICE_CLI_FILE', `--file: ${file} holds no .yaml, .yml or .json file`)
  return found.sort()
}

const isFile = (entry: Dirent, name: string): boolean =>
  entry.isFile() || (entry.isSymbolicLink() && fromGiven(name, () => statSync(name)).isFile())

const tooMany = (folder: string) =>
  new SluiceError(
    'SLUICE_CLI_FILE',
    `--file: ${folder} holds more than ${MAX_FILES} state files or ${MAX_ENTRIES} entries: name the folder of the declared state itself`,
  )

/** JSON Schemas lie beside the states that they describe. */
const isState = (name: string): boolean => /\.(ya?ml|json)$/i.test(name) && !name.endsWith('.schema.json')

const fromGiven = <T>(file: string, work: () => T): T => withGivenFile('--file', 'read', file, work)

async function readInput(): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
