import { spawn } from 'node:child_process'
import path from 'node:path'
import { SluiceError } from '../../../foundation/errors.ts'
import { endOfLog } from '../folders.ts'
import { environment } from './env.ts'
import { printEvents } from './events.ts'
import { privateFolder, readState, runs, type UpState } from './state.ts'

type Print = (text: string) => void

export function ps(print: Print): void {
  const state = readState()
  if (!state || !runs(state.supervisor)) {
    print(state ? 'the supervisor has crashed: `make up` starts anew' : 'nothing is up')
    return
  }
  if (!state.ready) print('it is being started')
  for (const { name, process, about } of state.components) {
    const status = process === undefined ? 'elsewhere' : runs(process) ? 'running' : 'ended'
    print(`${name.padEnd(14)} ${status.padEnd(10)} ${String(process?.pid ?? '').padEnd(8)} ${about}`)
  }
  for (const text of state.degraded) print(`missing: ${text}`)
}

/** The end of each log; `make logs NAME=gateway FOLLOW=1` for one, as it grows. */
export async function logs(print: Print): Promise<void> {
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

export async function events(print: Print): Promise<void> {
  await printEvents(running().urls, print)
}

/** What operator commands need, for `eval "$(make env)"`. */
export function env(print: Print): void {
  print(environment(running()).trimEnd())
}

function running(): UpState {
  const state = readState()
  if (!state || !runs(state.supervisor)) throw new SluiceError('SLUICE_CLI_USAGE', 'nothing is up: `make up`')
  return state
}
