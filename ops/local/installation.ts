import { accessSync, constants, readdirSync } from 'node:fs'
import path from 'node:path'

/** A service's program as it was found: on this machine, or unpacked in the project's cache. */
export interface Installation {
  /** Paths of the programs, by name. */
  readonly programs: Readonly<Record<string, string>>
  /** What the programs need in their environment. */
  readonly env: Readonly<Record<string, string>>
}

/** The path of a program that `findPrograms` looked for. */
export function programOf({ programs }: Pick<Installation, 'programs'>, name: string): string {
  const file = programs[name]
  if (file === undefined) throw new Error(`${name} is not one of the service's programs`)
  return file
}

/** Where a service's programs may stand, and the Debian packages that bring them. */
export interface Source {
  /** All of them are needed; the first names the service. */
  readonly programs: readonly string[]
  /** Folders besides PATH, below the root; `*` stands for any version, of which the newest is taken. */
  readonly folders: readonly string[]
  readonly packages: readonly string[]
  /** The Debian release that has the packages, where the machine's own does not. */
  readonly suite?: string
}

/**
 * The service's programs, or undefined where one is missing.
 *
 * @param unpacked the root of unpacked packages; what they lack is looked for on the machine, because apt leaves
 * out what is installed
 */
export function findPrograms(
  source: Source,
  unpacked?: string,
): Readonly<Record<string, string>> | undefined {
  const roots = unpacked === undefined ? ['/'] : [unpacked, '/']
  const folders = [
    ...roots.flatMap(root => source.folders.flatMap(folder => expand(root, folder.split('/')))),
    ...(process.env.PATH ?? '').split(path.delimiter),
  ]
  // PostgreSQL's programs must be of one version, so a folder that holds them all is best.
  const together = folders.find(folder => source.programs.every(name => isProgram(path.join(folder, name))))
  const found: Record<string, string> = {}
  for (const name of source.programs) {
    const folder = together ?? folders.find(candidate => isProgram(path.join(candidate, name)))
    if (folder === undefined) return undefined
    found[name] = path.join(folder, name)
  }
  return found
}

function expand(root: string, [first, ...rest]: string[]): string[] {
  if (first === undefined) return [root]
  if (first !== '*') return expand(path.join(root, first), rest)
  try {
    return readdirSync(root)
      .sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
      .flatMap(name => expand(path.join(root, name), rest))
  } catch {
    return []
  }
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
