import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SluiceError } from '../../../foundation/errors.ts'
import { guardChild } from '../child-guard.ts'
import { endOfLog, projectFolder } from '../folders.ts'
import { privateFolder } from './state.ts'

/** A part of the platform while it runs. */
export interface Component {
  readonly name: string
  readonly about: string
  readonly pid: number | undefined
  readonly log: string | undefined
  /** Undefined for what is not ours to watch. */
  isRunning(): boolean
  close(): Promise<void>
}

const READY_MS = 20_000

/**
 * Runs a command of `sluice` as this user until it is closed; resolves when it is ready.
 *
 * @param isReady asked again and again until it is true
 * @throws SluiceError SLUICE_SERVICE_UNAVAILABLE with the end of its log
 */
export async function startCommand(
  name: string,
  about: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  isReady: () => Promise<boolean>,
): Promise<Component> {
  const folder = path.join(privateFolder('log'), name)
  mkdirSync(folder, { recursive: true })
  const log = path.join(folder, 'log')
  rmSync(log, { force: true })
  const guard = guardChild(
    {
      command: process.execPath,
      args: [sluice(), ...args],
      env: { ...(process.env as Record<string, string>), ...env },
      endSignal: 'TERM',
      asCurrentUser: true,
    },
    folder,
    { keepFolder: true, graceMs: 10_000 },
  )
  await guard.start()
  const deadline = performance.now() + READY_MS
  while (!(await isReady().catch(() => false))) {
    if (guard.isRunning() && performance.now() < deadline) {
      await sleep(50)
      continue
    }
    const problem = guard.isRunning() ? `was not ready in ${READY_MS / 1_000} s` : 'ended at its start'
    await guard.close()
    throw new SluiceError('SLUICE_SERVICE_UNAVAILABLE', `the ${name} ${problem}:\n${endOfLog(log)}`)
  }
  return {
    name,
    about,
    log,
    get pid() {
      return guard.pid
    },
    isRunning: () => guard.isRunning(),
    close: () => guard.close(),
  }
}

/** The compiled command line. */
export const sluice = () => path.join(projectFolder(), 'dist', 'cli', 'sluice.js')
