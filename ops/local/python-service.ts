import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { SluiceError } from '../../foundation/errors.ts'
import { type ChildGuard, guardChild, type Launch } from './child-guard.ts'
import { type Confirm, confirm } from './confirm.ts'
import {
  cacheFolder,
  copyOpen,
  endOfLog,
  isOpen,
  ownFolder,
  projectFolder,
  temporaryFolder,
} from './folders.ts'
import { freePorts, onFreePorts } from './ports.ts'
import { obtainPython } from './python.ts'
import { serviceUser } from './user.ts'

const execute = promisify(execFile)

/** The sample services that are Python packages below `flask-sample/`, besides the dictionary. */
export const PYTHON_SERVICES = ['users', 'products'] as const
export type PythonServiceName = (typeof PYTHON_SERVICES)[number]

/** A running one. */
export interface PythonService {
  readonly url: string
  readonly pid: number | undefined
  readonly logFile: string
  isRunning(): boolean
  /** Ends it as a crash would (SIGKILL); its files stay. */
  kill(): Promise<void>
  /** Starts it again with the same address; resolves once it is healthy. */
  restart(): Promise<void>
  close(): Promise<void>
  /** Runs another command of the service (`make-admin`) with the same settings; resolves with what it printed. */
  run(...args: string[]): Promise<string>
}

export interface PythonServiceOptions {
  /** Of 127.0.0.1; a free one by default. */
  readonly port?: number
  /** Settings as flask-sample/README.md lists them; SAMPLE_LISTEN and USERS_KEYS_DIR are set here. */
  readonly env: Readonly<Record<string, string>>
  /** A folder of this name under `.sluice/data` has its log and its keys; else a temporary one, which goes with it. */
  readonly lasting?: string
  readonly say?: (line: string) => void
  readonly confirm?: Confirm
}

const READY_MS = 60_000

/** Fetches what the service needs; starts nothing. Debian does not have all of it. */
export function obtainPythonService(
  name: PythonServiceName,
  { say = () => {}, confirm: ask = confirm }: Pick<PythonServiceOptions, 'say' | 'confirm'> = {},
) {
  return obtainPython(path.join(sources(), name, 'requirements.txt'), [], { say, confirm: ask })
}

/**
 * Starts a service on the loopback, as the service's user.
 *
 * @throws SluiceError SLUICE_SERVICE_UNAVAILABLE where no Python can run it, or when it ends at once
 */
export const startPythonService = (
  name: PythonServiceName,
  options: PythonServiceOptions,
): Promise<PythonService> =>
  options.port === undefined ? onFreePorts(() => tryService(name, options)) : tryService(name, options)

async function tryService(name: PythonServiceName, options: PythonServiceOptions): Promise<PythonService> {
  const { port, env, lasting } = options
  const python = await obtainPythonService(name, options)
  const listen = port ?? (await freePorts(1))[0]!
  const folder = lasting === undefined ? temporaryFolder(name) : ownFolder(lasting)
  const logFile = path.join(folder, 'log')
  rmSync(logFile, { force: true })
  const settings = {
    ...python.env,
    PYTHONPATH: sources(),
    SAMPLE_LISTEN: `127.0.0.1:${listen}`,
    USERS_KEYS_DIR: path.join(folder, 'keys'),
    ...env,
  }
  const launch = (args: readonly string[]) => ({
    command: python.command,
    args: ['-m', name, ...args],
    env: settings,
    endSignal: 'TERM' as const,
  })
  const guard = guardChild(launch([]), folder, { keepFolder: lasting !== undefined, graceMs: 8_000 })
  const url = `http://127.0.0.1:${listen}`
  const start = async () => {
    await guard.start()
    await untilHealthy(name, url, guard, logFile)
  }
  try {
    await start()
  } catch (error) {
    await guard.close()
    throw error
  }
  return {
    url,
    get pid() {
      return guard.pid
    },
    logFile,
    isRunning: () => guard.isRunning(),
    kill: () => guard.kill(),
    restart: start,
    close: () => guard.close(),
    run: (...args) => runOnce(launch(args)),
  }
}

async function runOnce({ command, args, env }: Launch): Promise<string> {
  const { stdout } = await execute(command, args, { env, cwd: '/', ...serviceUser() })
  return stdout.trim()
}

async function untilHealthy(name: string, url: string, guard: ChildGuard, logFile: string): Promise<void> {
  const deadline = performance.now() + READY_MS
  for (;;) {
    const healthy = await fetch(`${url}/health`).then(
      ({ ok }) => ok,
      () => false,
    )
    if (healthy) return
    if (!guard.isRunning() || performance.now() > deadline)
      throw new SluiceError(
        'SLUICE_SERVICE_UNAVAILABLE',
        `the sample service ${name} did not start:\n${endOfLog(logFile)}`,
      )
    await sleep(20)
  }
}

/** Where the packages are, copied where the service's user may not enter the project. */
function sources(): string {
  const folder = path.join(projectFolder(), 'flask-sample')
  if (isOpen(folder)) return folder
  const copy = path.join(cacheFolder(), 'flask-sample')
  for (const name of ['chassis', ...PYTHON_SERVICES]) copyOpen(path.join(folder, name), path.join(copy, name))
  return copy
}
