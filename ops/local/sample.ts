import { rmSync } from 'node:fs'
import path from 'node:path'
import { guardChild } from './child-guard.ts'
import { type Confirm, confirm } from './confirm.ts'
import { sampleFolder, untilHealthy } from './flask-sample.ts'
import { ownFolder, temporaryFolder } from './folders.ts'
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
  /** A folder of this name under `.sluice/data` has its log; else a temporary one, which goes with it. */
  readonly lasting?: string
  readonly say?: (line: string) => void
  readonly confirm?: Confirm
}

const sources = () => path.join(sampleFolder(['dictionary']), 'dictionary')

/** Fetches what the sample service needs; starts nothing. */
export function obtainSample({ say = () => {}, confirm: ask = confirm }: SampleOptions) {
  const requirements = path.join(sources(), 'requirements.txt')
  return obtainPython(requirements, ['python3-flask', 'python3-waitress'], { say, confirm: ask })
}

/**
 * Starts the dictionary service of `flask-sample/` on the loopback, as the service's user.
 *
 * @throws SluiceError SLUICE_SERVICE_UNAVAILABLE where no Python can run it, or when it ends at once
 */
export async function startSample(options: SampleOptions = {}): Promise<Sample> {
  const { ports, lasting } = options
  const { command, env } = await obtainSample(options)
  const [port, controlPort] = ports ?? ((await freePorts(2)) as [number, number])
  const folder = lasting === undefined ? temporaryFolder('sample') : ownFolder(lasting)
  const logFile = path.join(folder, 'log')
  rmSync(logFile, { force: true })
  const addresses = { SAMPLE_LISTEN: `127.0.0.1:${port}`, SAMPLE_CONTROL: `127.0.0.1:${controlPort}` }
  const guard = guardChild(
    { command, args: [path.join(sources(), 'serve.py')], env: { ...env, ...addresses }, endSignal: 'TERM' },
    folder,
    { keepFolder: lasting !== undefined },
  )
  const sample: Sample = {
    url: `http://127.0.0.1:${port}`,
    controlUrl: `http://127.0.0.1:${controlPort}`,
    get pid() {
      return guard.pid
    },
    logFile,
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
    await untilHealthy('dictionary', sample)
  } catch (error) {
    await sample.close()
    throw error
  }
  return sample
}
