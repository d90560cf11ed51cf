/** What all services below `flask-sample/` need to run on this machine. */
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SluiceError } from '../../foundation/errors.ts'
import { cacheFolder, copyOpen, endOfLog, isOpen, projectFolder } from './folders.ts'

const READY_MS = 60_000

/** The folder `flask-sample/`: a copy with these folders of it where the service's user may not enter the project. */
export function sampleFolder(names: readonly string[]): string {
  const folder = path.join(projectFolder(), 'flask-sample')
  if (isOpen(folder)) return folder
  const copy = path.join(cacheFolder(), 'flask-sample')
  for (const name of names) copyOpen(path.join(folder, name), path.join(copy, name))
  return copy
}

interface Started {
  readonly url: string
  readonly logFile: string
  isRunning(): boolean
}

/** @throws SluiceError SLUICE_SERVICE_UNAVAILABLE where it ends, or does not answer in a minute */
export async function untilHealthy(name: string, { url, logFile, isRunning }: Started): Promise<void> {
  const deadline = performance.now() + READY_MS
  for (;;) {
    const healthy = await fetch(`${url}/health`).then(
      ({ ok }) => ok,
      () => false,
    )
    if (healthy) return
    if (!isRunning() || performance.now() > deadline)
      throw new SluiceError(
        'SLUICE_SERVICE_UNAVAILABLE',
        `the sample service ${name} did not start:\n${endOfLog(logFile)}`,
      )
    await sleep(20)
  }
}
