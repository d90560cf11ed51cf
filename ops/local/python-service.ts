import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { guardChild, type Launch } from './child-guard.ts'
import { type Confirm, confirm } from './confirm.ts'
import { sampleFolder, untilHealthy } from './flask-sample.ts'
import { ownFolder, temporaryFolder } from './folders.ts'
import { freePorts, onFreePorts } from './ports.ts'
import { obtainPython } from './python.ts'
import { serviceUser } from './user.ts'

const execute = promisify(execFile)

/** The sample services that are Python packages below `flask-sample/`, besides the dictionary. */
export const PYTHON_SERVICES = ['users', 'products'] as const
export type PythonServiceName = (typeof PYTHON_SERVICES)[number]

const sources = () => sampleFolder(['chassis', ...PYTHON_SERVICES])

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
    await untilHealthy(name, { url, logFile, isRunning: () => guard.isRunning() })
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
