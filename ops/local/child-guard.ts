import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { freeze, isAlive, killFamily, thaw } from './processes.ts'
import { serviceUser } from './user.ts'

/** Names the platform in the environment of each process that belongs to it: `make down` looks for it. */
export const MARK = 'SLUICE_UP_MARK'

/** A command that runs until it is ended. */
export interface Launch {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** The signal that ends it in order. */
  readonly endSignal: 'TERM' | 'INT' | 'QUIT' | 'KILL'
  /** For what is our own and not a service. */
  readonly asCurrentUser?: boolean
}

/** A command together with the small process that watches over it. */
export interface ChildGuard {
  readonly pid: number | undefined
  isRunning(): boolean
  start(): Promise<void>
  /** Resolves once nothing of it runs. */
  pause(): Promise<void>
  resume(): void
  kill(): Promise<void>
  /** Ends it in order, or after `graceMs` by force. */
  close(): Promise<void>
}

/**
 * Starts a guard for the command: a shell whose standard input is a pipe from this process. The kernel closes
 * the pipe however this process ends, so the service never outlives it. The guard leads its own session, which
 * keeps a Ctrl-C on the terminal from reaching the service first.
 *
 * @param folder gets the `log` of the command; removed at the end unless `keepFolder`
 */
export function guardChild(
  launch: Launch,
  folder: string,
  { graceMs = 3_000, keepFolder = false }: { graceMs?: number; keepFolder?: boolean } = {},
): ChildGuard {
  const after = keepFolder ? 'keep' : 'remove'
  const guard = spawnGuard(launch, folder, [String(Math.ceil(graceMs / 100)), after])
  const ended = once(guard, 'exit')
  ended.catch(() => {})
  const pids = createInterface({ input: guard.stdout })
  let pid: number | undefined

  return {
    get pid() {
      return pid
    },
    isRunning: () => pid !== undefined && isAlive(pid),
    async start() {
      const line = once(pids, 'line')
      guard.stdin.write('start\n')
      const [first] = (await Promise.race([line, ended.then(() => ['']), failure(guard)])) as [string]
      if (first === '') throw new Error(`the shell that starts ${launch.command} ended`)
      pid = Number(first)
    },
    async pause() {
      if (pid !== undefined) await freeze(pid)
    },
    resume() {
      if (pid !== undefined) thaw(pid)
    },
    async kill() {
      if (pid !== undefined) await killFamily(pid)
    },
    async close() {
      guard.stdin.end()
      await ended
      pids.close()
    },
  }
}

function spawnGuard(launch: Launch, folder: string, [grace, after]: readonly [string, string]) {
  // Passed as text, because the service's user may not be able to read the project.
  const script = readFileSync(new URL('./child-guard.sh', import.meta.url), 'utf8')
  const command = [folder, launch.endSignal, grace, after, launch.command, ...launch.args]
  return spawn('sh', ['-c', script, 'child-guard', ...command], {
    cwd: folder,
    env: { ...inheritedMark(), ...launch.env },
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
    ...(launch.asCurrentUser ? {} : serviceUser()),
  })
}

function inheritedMark(): Record<string, string> {
  const mark = process.env[MARK]
  return mark === undefined ? {} : { [MARK]: mark }
}

async function failure(guard: ChildProcess): Promise<never> {
  const [error] = (await once(guard, 'error')) as [Error]
  throw error
}
