import { cpSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SluiceError } from '../../foundation/errors.ts'
import { guardChild } from './child-guard.ts'
import { cacheFolder, endOfLog, isOpen, projectFolder, temporaryFolder } from './folders.ts'
import { freePorts } from './ports.ts'
import { obtainPython } from './python.ts'

/** How the sample service misbehaves; flask-sample/README.md explains the modes. */
export interface Behaviour {
  readonly mode: 'ok' | 'fail' | 'slow' | 'hang' | 'refuse'
  readonly delay_ms?: number
  readonly status?: number
}

/** The running dictionary service. */
export interface Sample {
  readonly url: string
  /** Where its failure switch listens. */
  readonly controlUrl: string
  readonly pid: number | undefined
  readonly logFile: string
  isRunning(): boolean
  behave(behaviour: Behaviour): Promise<void>
  close(): Promise<void>
}

export interface SampleOptions {
  /** Ports of 127.0.0.1: of the service and of its failure switch; free ones by default. */
  readonly ports?: readonly [number, number]
  readonly say?: (line: string) => void
}

const READY_MS = 20_000

/** Fetches what the sample service needs; starts nothing. */
export function obtainSample(say: (line: string) => void) {
  return obtainPython(path.join(sources(), 'requirements.txt'), ['python3-flask', 'python3-waitress'], say)
}

/**
 * Starts the dictionary service of `flask-sample/` on the loopback, as the service's user.
 *
 * @throws SluiceError SLUICE_SERVICE_UNAVAILABLE where no Python can run it, or when it ends at once
 */
export async function startSample({ ports, say = () => {} }: SampleOptions = {}): Promise<Sample> {
  const { command, env } = await obtainSample(say)
  const [port, controlPort] = ports ?? ((await freePorts(2)) as [number, number])
  const folder = temporaryFolder('sample')
  const addresses = { SAMPLE_LISTEN: `127.0.0.1:${port}`, SAMPLE_CONTROL: `127.0.0.1:${controlPort}` }
  const guard = guardChild(
    { command, args: [path.join(sources(), 'serve.py')], env: { ...env, ...addresses }, endSignal: 'TERM' },
    folder,
  )
  const sample: Sample = {
    url: `http://127.0.0.1:${port}`,
    controlUrl: `http://127.0.0.1:${controlPort}`,
    get pid() {
      return guard.pid
    },
    logFile: path.join(folder, 'log'),
    isRunning: () => guard.isRunning(),
    async behave(behaviour) {
      const answer = await fetch(`${this.controlUrl}/_control`, {
        method: 'POST',
        body: JSON.stringify(behaviour),
      })
      if (!answer.ok) throw new Error(`the failure switch refuses: ${await answer.text()}`)
    },
    close: () => guard.close(),
  }
  await guard.start()
  try {
    await untilHealthy(sample)
  } catch (error) {
    await sample.close()
    throw error
  }
  return sample
}

async function untilHealthy(sample: Sample): Promise<void> {
  const deadline = performance.now() + READY_MS
  for (;;) {
    const healthy = await fetch(`${sample.url}/health`).then(
      ({ ok }) => ok,
      () => false,
    )
    if (healthy) return
    if (!sample.isRunning() || performance.now() > deadline)
      throw new SluiceError(
        'SLUICE_SERVICE_UNAVAILABLE',
        `the sample service did not start:\n${endOfLog(sample.logFile)}`,
      )
    await sleep(20)
  }
}

/** The service's files, copied where the service's user may not enter the project. */
function sources(): string {
  const folder = path.join(projectFolder(), 'flask-sample', 'dictionary')
  if (isOpen(folder)) return folder
  const copy = path.join(cacheFolder(), 'flask-sample', 'dictionary')
  cpSync(folder, copy, { recursive: true })
  return copy
}
