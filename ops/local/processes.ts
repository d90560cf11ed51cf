import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * The process and all its descendants that run now, parents first. Linux only.
 *
 * @param proc where the kernel shows its processes
 */
export function family(pid: number, proc = '/proc'): number[] {
  const found = [pid]
  for (const parent of found) found.push(...childrenOf(parent, proc))
  return found
}

/** Any thread can end between two reads, and takes only what it has forked itself out of sight. */
function childrenOf(pid: number, proc: string): number[] {
  return threadsOf(pid, proc).flatMap(thread =>
    orNothing(() => readFileSync(`${proc}/${pid}/task/${thread}/children`, 'utf8').split(' '))
      .filter(Boolean)
      .map(Number),
  )
}

const threadsOf = (pid: number, proc = '/proc') => orNothing(() => readdirSync(`${proc}/${pid}/task`))

function orNothing(read: () => string[]): string[] {
  try {
    return read()
  } catch {
    return []
  }
}

/** Whether the process runs; a dead one that its parent has not collected yet does not. */
export function isAlive(pid: number): boolean {
  const state = statOf(pid)?.[0]
  return state !== undefined && state !== 'Z'
}

/** When the process started, in clock ticks since boot: with the pid it names one process for good. */
export function startTimeOf(pid: number): string | undefined {
  return statOf(pid)?.[19]
}

/** The fields of /proc/PID/stat behind the name, which may itself hold spaces and brackets; a thread is `PID/task/TID`. */
export function statOf(pid: number | string): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}

/** A parent that waits in vfork for a child which is stopped itself never looks stopped. */
const STOP_WITHIN_MS = 5_000

/** Stops the process and all its descendants, also those that are forked meanwhile; resolves once none of them runs. */
export async function freeze(pid: number): Promise<number[]> {
  const stopped = new Set<number>()
  for (;;) {
    const fresh = family(pid).filter(member => !stopped.has(member))
    if (fresh.length === 0) return [...stopped]
    for (const member of fresh) {
      signal(member, 'SIGSTOP')
      stopped.add(member)
    }
    // One thread takes the signal and stops the others, which run on until it has got a core.
    for (let waited = 0; waited < STOP_WITHIN_MS && !fresh.every(isStopped); waited++) await sleep(1)
  }
}

function isStopped(pid: number): boolean {
  return threadsOf(pid).every(thread => /[TtZX]/.test(statOf(`${pid}/task/${thread}`)?.[0] ?? 'X'))
}

/** Continues what `freeze` stopped. */
export function thaw(pid: number): void {
  for (const member of family(pid)) signal(member, 'SIGCONT')
}

/** Kills the process and all its descendants; resolves once they are gone. */
export async function killFamily(pid: number): Promise<void> {
  const members = await freeze(pid)
  for (const member of members) signal(member, 'SIGKILL')
  while (members.some(isAlive)) await sleep(5)
}

/** @returns whether the process was there. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}
