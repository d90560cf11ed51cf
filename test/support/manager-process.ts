import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { Environment } from '../../foundation/environment.ts'
import type { Timing } from '../../management/changes/timing.ts'

/** Short, so that a loop over all fault points ends; what holds for these holds for longer ones. */
export const QUICK: Timing = {
  leaseMs: 2_500,
  renewEveryMs: 400,
  requestMs: 800,
  settle: { waitMs: 300, forMs: 900 },
  driftEveryMs: 1_000,
  driftPauseFactor: 5,
}

export type ToManager =
  | { readonly arm: number; readonly signal: NodeJS.Signals }
  | { readonly record: boolean }

export type FromManager =
  | { readonly url: string }
  | { readonly hit: string }
  | { readonly signalled: string }
  | { readonly done: true }

export interface ManagerProcess {
  readonly url: string
  readonly pid: number
  /** Names of the fault points since `record(true)`. */
  readonly hits: readonly string[]
  isRunning(): boolean
  /** The fault point at which it got the signal that it was armed with last. */
  readonly signalledAt: string | undefined
  record(isOn: boolean): Promise<void>
  /** Gets the signal at the n-th fault point from now on; 0: at none. */
  arm(n: number, signal: NodeJS.Signals): Promise<void>
  signal(signal: NodeJS.Signals): void
  /** Resolves when the process is gone. */
  end(signal?: NodeJS.Signals): Promise<void>
}

const SERVER = new URL('./servers/manager-server.js', import.meta.url)

/** Starts a manager in a process of its own; resolves when it listens. */
export async function startManagerProcess(env: Environment, timing: Timing = QUICK): Promise<ManagerProcess> {
  const child = fork(SERVER, {
    env: { PATH: process.env.PATH, ...env, SLUICE_TEST_TIMING: JSON.stringify(timing) },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const hits: string[] = []
  let signalledAt: string | undefined
  child.on('message', (message: FromManager) => {
    if ('hit' in message) hits.push(message.hit)
    if ('signalled' in message) signalledAt = message.signalled
  })
  const exited = once(child, 'exit')
  const url = await Promise.race([
    urlOf(child),
    exited.then(([code]) => {
      throw new Error(`the manager ended with ${code}`)
    }),
  ])
  const ask = async (message: ToManager) => {
    const done = new Promise<void>(resolve => {
      const listener = (answer: FromManager) => {
        if (!('done' in answer)) return
        child.off('message', listener)
        resolve()
      }
      child.on('message', listener)
    })
    child.send(message)
    await done
  }
  return {
    url,
    pid: child.pid ?? 0,
    hits,
    get signalledAt() {
      return signalledAt
    },
    isRunning: () => child.exitCode === null && child.signalCode === null,
    async record(isOn) {
      if (isOn) hits.length = 0
      await ask({ record: isOn })
    },
    async arm(arm, signal) {
      if (arm > 0) signalledAt = undefined
      await ask({ arm, signal })
    },
    signal: signal => void child.kill(signal),
    async end(signal = 'SIGKILL') {
      child.kill(signal)
      // A stopped process is killed, but hears of nothing else.
      if (signal !== 'SIGKILL') child.kill('SIGCONT')
      await exited
    },
  }
}

const urlOf = (child: ChildProcess): Promise<string> =>
  new Promise(resolve => {
    const listener = (message: FromManager) => {
      if (!('url' in message)) return
      child.off('message', listener)
      resolve(message.url)
    }
    child.on('message', listener)
  })
