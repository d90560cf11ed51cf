/** `node dist/ops/local/up/up.js up|down|ps|logs|events`: the platform on this machine, behind the targets of the Makefile. */
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf, SluiceError } from '../../../foundation/errors.ts'
import { obtain } from '../find.ts'
import { endOfLog, platformFolder } from '../folders.ts'
import { killFamily, signal } from '../processes.ts'
import { obtainSample } from '../sample.ts'
import { NAMES, type ServiceKind } from '../service.ts'
import { printEvents } from './events.ts'
import { guide } from './guide.ts'
import { checkPorts, readPorts } from './ports.ts'
import { type ProcessId, privateFolder, readState, removeState, runs, type UpState } from './state.ts'
import type { Progress } from './supervisor.ts'

/** How long the parts may take to end in order, milliseconds. */
const END_MS = 45_000

// A reader such as `head` may leave before all is printed.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

const print = (text: string) => {
  process.stdout.write(`${text}\n`)
}

async function up(): Promise<void> {
  const state = readState()
  if (state && runs(state.supervisor)) {
    if (!state.ready) {
      print('it is being started already: `make logs` shows how far it is')
      return
    }
    const dead = state.components.filter(({ process }) => process && !runs(process)).map(({ name }) => name)
    if (dead.length > 0) print(`not running: ${dead.join(', ')} (make logs tells why; make down, make up)`)
    print('already up: `make down` first for a new build or other ports\n')
    print(guide(state))
    return
  }
  if (state) await endLeftovers(state)
  await checkPorts(readPorts(process.env))
  // Here, where a terminal can be asked, and not in the supervisor.
  for (const kind of ['redis', 'postgres', 'rabbit'] satisfies ServiceKind[])
    await obtain(kind, 'SLUICE_', line => print(`${NAMES[kind]}: ${line}`)).catch((error: unknown) =>
      print(`${NAMES[kind]}: ${messageOf(error)}`),
    )
  await obtainSample(line => print(`sample service: ${line}`))
  await startSupervisor()
  print(`\n${guide(readState()!)}`)
}

function startSupervisor(): Promise<void> {
  const logFile = path.join(privateFolder('log'), 'up.log')
  const log = openSync(logFile, 'w', 0o600)
  const supervisor = spawn(process.execPath, [path.join(import.meta.dirname, 'supervisor.js')], {
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
  })
  closeSync(log)
  return new Promise((resolve, reject) => {
    supervisor.on('error', reject)
    supervisor.on('exit', () =>
      reject(new SluiceError('SLUICE_SERVICE_UNAVAILABLE', `the supervisor ended:\n${endOfLog(logFile)}`)),
    )
    supervisor.on('message', (progress: Progress) => {
      if (progress.kind === 'line') print(progress.text)
      else if (progress.kind === 'failed')
        reject(new SluiceError('SLUICE_SERVICE_UNAVAILABLE', progress.text))
      else {
        supervisor.removeAllListeners('exit')
        supervisor.disconnect()
        supervisor.unref()
        resolve()
      }
    })
  })
}

async function down(): Promise<void> {
  const state = readState()
  if (!state) {
    print('nothing is up')
    return
  }
  if (runs(state.supervisor)) {
    signal(state.supervisor.pid, 'SIGTERM')
    if (!(await ended(state.supervisor, END_MS))) await killFamily(state.supervisor.pid)
  }
  await endLeftovers(state)
  print(`everything has ended; the data stays in ${platformFolder()}`)
}

/** After a crash of the supervisor the keepers end its parts; whatever they can't is ended here. */
async function endLeftovers(state: UpState): Promise<void> {
  for (const { process } of state.components)
    if (process && !(await ended(process, END_MS))) await killFamily(process.pid)
  removeState()
}

async function ended(process: ProcessId, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  while (runs(process)) {
    if (performance.now() > deadline) return false
    await sleep(50)
  }
  return true
}

function ps(): void {
  const state = readState()
  if (!state || !runs(state.supervisor)) {
    print(state ? 'the supervisor has crashed: `make up` starts anew' : 'nothing is up')
    return
  }
  for (const { name, process, about } of state.components) {
    const status = process === undefined ? 'elsewhere' : runs(process) ? 'running' : 'ended'
    print(`${name.padEnd(14)} ${status.padEnd(10)} ${String(process?.pid ?? '').padEnd(8)} ${about}`)
  }
  for (const text of state.degraded) print(`missing: ${text}`)
}

/** The end of each log; `make logs NAME=gateway FOLLOW=1` for one, as it grows. */
async function logs(): Promise<void> {
  const all = (readState()?.components ?? []).flatMap(({ name, log }) => (log ? [{ name, log }] : []))
  all.push({ name: 'supervisor', log: path.join(privateFolder('log'), 'up.log') })
  const chosen = all.filter(({ name }) => !process.env.NAME || name === process.env.NAME)
  if (chosen.length === 0)
    throw new SluiceError('SLUICE_CLI_USAGE', `NAME is one of ${all.map(({ name }) => name).join(', ')}`)
  if (process.env.FOLLOW) {
    const tail = spawn('tail', ['-n', '15', '-F', ...chosen.map(({ log }) => log)], { stdio: 'inherit' })
    await new Promise(resolve => tail.on('exit', resolve))
    return
  }
  for (const { name, log } of chosen) print(`── ${name} (${log})\n${endOfLog(log)}\n`)
}

async function events(): Promise<void> {
  const state = readState()
  if (!state || !runs(state.supervisor)) throw new SluiceError('SLUICE_CLI_USAGE', 'nothing is up: `make up`')
  await printEvents(state.urls, print)
}

const COMMANDS: Readonly<Record<string, () => Promise<void> | void>> = { up, down, ps, logs, events }

const command = COMMANDS[process.argv[2] ?? '']
try {
  if (!command) throw new SluiceError('SLUICE_CLI_USAGE', `one of ${Object.keys(COMMANDS).join(', ')}`)
  await command()
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`)
  if (error instanceof SluiceError) process.stderr.write(`  ${error.code}: ${error.remedy}\n`)
  process.exitCode = 1
}
