/** Finds the processes of this platform by the mark that each has in its environment, whatever became of the state file. */
import { readdirSync, readFileSync } from 'node:fs'
import { MARK } from '../child-guard.ts'
import { platformFolder } from '../folders.ts'
import { identify, type ProcessId, runs, type UpState } from './state.ts'

/** The environment that marks a process, and all that it starts, as part of the platform in this folder. */
export const marked = () => ({ [MARK]: platformFolder() })

/** All that runs of the platform: what has the mark, and what the state file names. */
export function members(state: UpState | undefined): ProcessId[] {
  const named = [state?.supervisor, ...(state?.components ?? []).map(({ process }) => process)]
  const found = new Map<number, ProcessId>()
  for (const process of [...named, ...pidsWithMark().map(identify)])
    if (process && runs(process)) found.set(process.pid, process)
  return [...found.values()]
}

/** The supervisor: as the state file names it, or by its command line where that file was lost. */
export function supervisorOf(state: UpState | undefined): ProcessId | undefined {
  if (state && runs(state.supervisor)) return state.supervisor
  return identify(pidsWithMark().find(pid => read(`/proc/${pid}/cmdline`).includes('/up/supervisor.js\0')))
}

function pidsWithMark(): number[] {
  // The kernel gives bytes: compared as such, whatever letters the folder has.
  const entry = Buffer.from(`${MARK}=${platformFolder()}`).toString('latin1')
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name) && read(`/proc/${name}/environ`).split('\0').includes(entry))
    .map(Number)
}

/** Processes end while one looks, and those of other users cannot be read. */
function read(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}
