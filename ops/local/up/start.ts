import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import path from 'node:path'
import { messageOf, SluiceError } from '../../../foundation/errors.ts'
import { obtain } from '../find.ts'
import { endOfLog, platformFolder } from '../folders.ts'
import { obtainPrometheus } from '../prometheus.ts'
import { obtainPythonService, PYTHON_SERVICES } from '../python-service.ts'
import { obtainSample } from '../sample.ts'
import { NAMES } from '../service.ts'
import { wantsPrometheus, wantsSamples } from './choices.ts'
import { guide } from './guide.ts'
import { takeLock } from './lock.ts'
import { marked, supervisorOf } from './members.ts'
import { storeKinds } from './platform.ts'
import { checkPorts, readPorts } from './ports.ts'
import { privateFolder, readState, runs, type UpState } from './state.ts'
import { endPlatform } from './stop.ts'
import type { Progress } from './supervisor.ts'

type Print = (text: string) => void

/**
 * Starts the platform, or shows what runs already. Ctrl-C ends what was started so far; a second one exits at once.
 *
 * @throws SluiceError SLUICE_PLATFORM_BUSY while another process starts it, SLUICE_PLATFORM_INTERRUPTED
 */
export async function up(print: Print): Promise<void> {
  const ports = readPorts(process.env)
  await takeLock('starting')
  const interrupted = interruptible(print)
  const state = readState()
  if (state && runs(state.supervisor) && state.ready) return showRunning(state, print)
  // What a crash has left, or a start whose `make up` was killed.
  if (state || supervisorOf(undefined)) await endPlatform()
  await checkPorts(ports)
  await fetchMissing(print, interrupted)
  await startSupervisor(print, interrupted)
  const started = readState()
  if (!started) throw new SluiceError('SLUICE_SERVICE_UNAVAILABLE', '`make down` stopped it at once')
  print(`\n${guide(started)}`)
}

function showRunning(state: UpState, print: Print): void {
  const dead = state.components.filter(({ process }) => process && !runs(process)).map(({ name }) => name)
  if (dead.length > 0) print(`not running: ${dead.join(', ')} (make logs tells why; make down, make up)`)
  print('already up: `make down` first for a new build or other ports\n')
  print(guide(state))
}

/** Here, where a terminal can be asked, and not in the supervisor. */
async function fetchMissing(print: Print, interrupted: AbortSignal): Promise<void> {
  for (const kind of storeKinds()) {
    await obtain(kind, 'SLUICE_', line => print(`${NAMES[kind]}: ${line}`)).catch((error: unknown) =>
      print(`${NAMES[kind]}: ${messageOf(error)}`),
    )
    interrupted.throwIfAborted()
  }
  await obtainSample({ say: line => print(`sample service: ${line}`) }).catch((error: unknown) => {
    interrupted.throwIfAborted()
    throw error
  })
  for (const name of wantsSamples() ? PYTHON_SERVICES : []) {
    interrupted.throwIfAborted()
    await obtainPythonService(name, { say: line => print(`${name} service: ${line}`) }).catch(
      (error: unknown) => print(`${name} service: ${messageOf(error)}`),
    )
  }
  interrupted.throwIfAborted()
  if (wantsPrometheus())
    await obtainPrometheus(line => print(`Prometheus: ${line}`)).catch((error: unknown) =>
      print(`Prometheus: ${messageOf(error)}`),
    )
  interrupted.throwIfAborted()
}

/** Programs that this process runs get the terminal's Ctrl-C as well, so what it waits for ends by itself. */
function interruptible(print: Print): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130)
      print('interrupted: stopping what was started (a second Ctrl-C exits immediately)')
      controller.abort(new SluiceError('SLUICE_PLATFORM_INTERRUPTED', '`make up` was interrupted'))
    })
  return controller.signal
}

async function startSupervisor(print: Print, interrupted: AbortSignal): Promise<void> {
  const logFile = path.join(privateFolder('log'), 'up.log')
  const log = openSync(logFile, 'w', 0o600)
  const supervisor = spawn(process.execPath, [path.join(import.meta.dirname, 'supervisor.js')], {
    cwd: platformFolder(),
    detached: true,
    env: { ...process.env, ...marked() },
    stdio: ['ignore', log, log, 'ipc'],
  })
  closeSync(log)
  try {
    await untilReady(supervisor, { logFile, print, interrupted })
    supervisor.disconnect()
    supervisor.unref()
  } catch (error) {
    supervisor.kill('SIGTERM')
    await endPlatform()
    throw error
  }
}

function untilReady(
  supervisor: ChildProcess,
  { logFile, print, interrupted }: { logFile: string; print: Print; interrupted: AbortSignal },
): Promise<void> {
  const failure = (text: string) => new SluiceError('SLUICE_SERVICE_UNAVAILABLE', text)
  return new Promise((resolve, reject) => {
    interrupted.addEventListener('abort', () => reject(interrupted.reason))
    supervisor.on('error', reject)
    supervisor.on('exit', () => reject(failure(`the supervisor exited:\n${endOfLog(logFile)}`)))
    supervisor.on('message', (progress: Progress) => {
      if (progress.kind === 'line') print(progress.text)
      else if (progress.kind === 'failed') reject(failure(progress.text))
      else resolve()
    })
  })
}
