import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import type { Confirm } from './confirm.ts'
import { cacheFolder } from './folders.ts'
import { SYSTEM, unpackPackages } from './packages.ts'
import { serviceUser } from './user.ts'

const run = promisify(execFile)

/** A Python that has the packages of a requirements file. */
export interface Python {
  readonly command: string
  readonly env: Readonly<Record<string, string>>
}

/** How the person who waits is spoken to. */
export interface Dialogue {
  readonly say: (line: string) => void
  /** Is asked before anything is fetched. */
  readonly confirm: Confirm
}

/**
 * A virtual environment with the requirements, kept in `.sluice`; or, where PyPI can't be reached or Python can't
 * make one, the same packages from Debian.
 *
 * @param debianPackages what brings the requirements on Debian, in whatever version it has; none where it lacks some
 */
export async function obtainPython(
  requirements: string,
  debianPackages: readonly string[],
  dialogue: Dialogue,
): Promise<Python> {
  const reasons: string[] = []
  const found = await pythons()
  // What an earlier run has made or fetched, before anything is tried again.
  for (const python of found) {
    const made = environmentOf(python, requirements)
    if (isRunnable(made.command)) return made
    if (debianPackages.length === 0) continue
    const unpacked = debianPython(python, debianPackages)
    if (existsSync(unpacked.env.PYTHONPATH) && (await hasModules(unpacked))) return unpacked
  }
  for (const python of found) {
    try {
      return await makeEnvironment(python, requirements, dialogue)
    } catch (error) {
      reasons.push(`${python} -m venv: ${messageOf(error)}`)
      // Who refuses one way of fetching them is not asked about the next.
      if (error instanceof Refused) break
    }
    if (debianPackages.length === 0) continue
    try {
      return await fetchDebian(python, debianPackages, dialogue)
    } catch (error) {
      reasons.push(`Debian: ${messageOf(error)}`)
    }
  }
  if (reasons.length === 0) reasons.push('python3 was not found')
  throw new SluiceError(
    'SLUICE_SERVICE_UNAVAILABLE',
    `no Python for the sample service:\n  ${reasons.join('\n  ')}`,
  )
}

class Refused extends Error {}

/** Those that the service's user may run: one below /root is not among them. */
async function pythons(): Promise<string[]> {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/bin']
  const candidates = [...new Set(folders.map(folder => path.join(folder, 'python3')))].filter(existsSync)
  const works = await Promise.all(
    candidates.map(python =>
      run(python, ['-c', 'import sys; assert sys.version_info >= (3, 9)'], {
        cwd: '/',
        ...serviceUser(),
      }).then(
        () => true,
        () => false,
      ),
    ),
  )
  return candidates.filter((_, index) => works[index])
}

/** Another Python or other requirements want another environment. */
function environmentOf(python: string, requirements: string): Python {
  const hash = createHash('sha256')
    .update(python)
    .update(readFileSync(requirements))
    .digest('hex')
    .slice(0, 12)
  const folder = path.join(cacheFolder(), `venv-${hash}`)
  return { command: path.join(folder, 'bin', 'python'), env: { ...SYSTEM, ...QUIET } }
}

async function makeEnvironment(
  python: string,
  requirements: string,
  { say, confirm }: Dialogue,
): Promise<Python> {
  const made = environmentOf(python, requirements)
  const folder = path.dirname(path.dirname(made.command))
  if (!(await confirm(`Fetch the Python packages of ${requirements} into ${folder}?`)))
    throw new Refused('fetching its packages was refused')
  say(`making a virtual environment in ${folder} with the packages of ${requirements}`)
  const making = `${folder}.${randomBytes(4).toString('hex')}`
  try {
    await run(python, ['-m', 'venv', making])
    const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements]
    await run(path.join(making, 'bin', 'python'), install)
    // Another process may have made one meanwhile; either serves.
    await rename(making, folder).catch(error => {
      if (!isRunnable(made.command)) throw error
    })
    return made
  } catch (error) {
    const { stderr, stdout } = error as { stderr?: string; stdout?: string }
    throw new Error((stderr || stdout || messageOf(error)).trim().split('\n').at(-1))
  } finally {
    await rm(making, { recursive: true, force: true })
  }
}

function debianPython(python: string, packages: readonly string[]) {
  const modules = path.join(cacheFolder(), packages[0]!, 'usr/lib/python3/dist-packages')
  return { command: python, env: { ...SYSTEM, ...QUIET, PYTHONPATH: modules } }
}

async function fetchDebian(python: string, packages: readonly string[], dialogue: Dialogue): Promise<Python> {
  await unpackPackages({ programs: [], folders: [], packages }, cacheFolder(), dialogue)
  const unpacked = debianPython(python, packages)
  if (!(await hasModules(unpacked))) throw new Error(`${python} can't load the modules of Debian's packages`)
  return unpacked
}

function hasModules({ command, env }: Python): Promise<boolean> {
  return run(command, ['-c', 'import flask, waitress'], { env }).then(
    () => true,
    () => false,
  )
}

/** The service's user may not write beside the sources; and the log is read while it grows. */
const QUIET = { PYTHONDONTWRITEBYTECODE: '1', PYTHONUNBUFFERED: '1' }

function isRunnable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
