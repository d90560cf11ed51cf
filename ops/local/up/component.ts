import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SluiceError } from '../../../foundation/errors.ts'
import { type ChildGuard, guardChild, type Launch } from '../child-guard.ts'
import { endOfLog, projectFolder } from '../folders.ts'
import { privateFolder } from './state.ts'

/** A part of the platform while it runs. */
export interface Component {
  readonly name: string
  readonly about: string
  readonly pid: number | undefined
  readonly log: string | undefined
  /** Always true of what is not ours to watch. */
  isRunning(): boolean
  /** Starts it again where its process has ended. @returns what takes its place */
  restart(): Promise<Component>
  close(): Promise<void>
}

/** What a component runs as. */
type Running = Pick<Component, 'isRunning' | 'close'> & { readonly pid?: number | undefined }

interface Described extends Pick<Component, 'name' | 'about' | 'log' | 'restart'> {
  readonly running: Running
}

export const componentOf = ({ running, ...described }: Described): Component => ({
  ...described,
  get pid() {
    return running.pid
  },
  isRunning: () => running.isRunning(),
  close: () => running.close(),
})

/** Of a service that starts itself again, where it was. */
export function serviceComponent(
  name: string,
  about: string,
  service: Running & { readonly logFile?: string | undefined; restart(): Promise<void> },
): Component {
  const component: Component = componentOf({
    ...{ name, about, log: service.logFile, running: service },
    async restart() {
      await service.restart()
      return component
    },
  })
  return component
}

/** Generous: a busy machine is no reason to give up. */
const READY_MS = 60_000

export interface Command {
  readonly name: string
  readonly about: string
  /** Of `sluice`. */
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Asked again and again until it is true. */
  isReady(): Promise<boolean>
}

/**
 * Runs a command of `sluice` as this user until it is closed; resolves when it is ready.
 *
 * @param restart starts it again, with all that goes with it; by default the command alone
 * @throws SluiceError SLUICE_SERVICE_UNAVAILABLE with the end of its log
 */
export async function startCommand(
  command: Command,
  restart = () => startCommand(command),
): Promise<Component> {
  const { name, about } = command
  const folder = path.join(privateFolder('log'), name)
  mkdirSync(folder, { recursive: true })
  const log = path.join(folder, 'log')
  rmSync(log, { force: true })
  const launch: Launch = {
    command: process.execPath,
    args: [sluice(), ...command.args],
    env: { ...(process.env as Record<string, string>), ...command.env },
    endSignal: 'TERM',
    asCurrentUser: true,
  }
  const guard = guardChild(launch, folder, { keepFolder: true, graceMs: 10_000 })
  await guard.start()
  const problem = await untilReady(command, guard)
  if (problem) {
    await guard.close()
    throw new SluiceError('SLUICE_SERVICE_UNAVAILABLE', `the ${name} ${problem}:\n${endOfLog(log)}`)
  }
  return componentOf({
    ...{ name, about, log, running: guard },
    async restart() {
      await guard.close()
      return restart()
    },
  })
}

/** @returns why it never became ready. */
export async function untilReady(
  { isReady }: Pick<Command, 'isReady'>,
  guard: ChildGuard,
): Promise<string | undefined> {
  const deadline = performance.now() + READY_MS
  while (!(await isReady().catch(() => false))) {
    if (!guard.isRunning()) return 'exited at startup'
    if (performance.now() > deadline) return `was not ready in ${READY_MS / 1_000} s`
    await sleep(50)
  }
  return undefined
}

/** The compiled command line. */
export const sluice = () => path.join(projectFolder(), 'dist', 'cli', 'sluice.js')
