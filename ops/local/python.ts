import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { messageOf, SluiceError } from '../../plugin-server/errors.ts'
import { confirm } from './confirm.ts'
import { cacheFolder } from './folders.ts'
import { SYSTEM, unpackPackages } from './packages.ts'
import { serviceUser } from './user.ts'

const run = promisify(execFile)

/** A Python that has the packages of a requirements file. */
export interface Python {
  readonly command: string
  readonly env: Readonly<Record<string, string>>
}

/**
 * A virtual environment with the requirements, kept in `.sluice`; or, where PyPI can't be reached or Python can't
 * make one, the same packages from Debian.
 *
 * @param debianPackages what brings the requirements on Debian, in whatever version it has
 */
export async function obtainPython(
  requirements: string,
  debianPackages: readonly string[],
  say: (line: string) => void,
): Promise<Python> {
  const reasons: string[] = []
  for (const python of await pythons()) {
    try {
      return await virtualEnvironment(python, requirements, say)
    } catch (error) {
      reasons.push(`${python} -m venv: ${messageOf(error)}`)
    }
    try {
      return await debian(python, debianPackages, say)
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

async function virtualEnvironment(
  python: string,
  requirements: string,
  say: (line: string) => void,
): Promise<Python> {
  const hash = createHash('sha256')
    .update(python)
    .update(readFileSync(requirements))
    .digest('hex')
    .slice(0, 12)
  const folder = path.join(cacheFolder(), `venv-${hash}`)
  const made: Python = { command: path.join(folder, 'bin', 'python'), env: { ...SYSTEM, ...QUIET } }
  if (isRunnable(made.command)) return made
  say(`making a virtual environment in ${folder} with the packages of ${requirements}`)
  const making = `${folder}.${randomBytes(4).toString('hex')}`
  try {
    await run(python, ['-m', 'venv', making])
    const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements]
    await run(path.join(making, 'bin', 'python'), install)
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

async function debian(
  python: string,
  packages: readonly string[],
  say: (line: string) => void,
): Promise<Python> {
  const cache = cacheFolder()
  await unpackPackages({ programs: [], folders: [], packages }, cache, { say, confirm })
  const modules = path.join(cache, packages[0]!, 'usr/lib/python3/dist-packages')
  const env = { ...SYSTEM, ...QUIET, PYTHONPATH: modules }
  await run(python, ['-c', 'import flask, waitress'], { env })
  return { command: python, env }
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
