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
  const threads = orNothing(() => readdirSync(`${proc}/${pid}/task`))
  return threads.flatMap(thread =>
    orNothing(() => readFileSync(`${proc}/${pid}/task/${thread}/children`, 'utf8').split(' '))
      .filter(Boolean)
      .map(Number),
  )
}

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

/** The fields of /proc/PID/stat behind the name, which may itself hold spaces and brackets. */
export function statOf(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}

/** Stops the process and all its descendants, also those that are forked meanwhile. */
export function freeze(pid: number): number[] {
  const stopped = new Set<number>()
  for (;;) {
    const fresh = family(pid).filter(member => !stopped.has(member))
    if (fresh.length === 0) return [...stopped]
    for (const member of fresh) {
      signal(member, 'SIGSTOP')
      stopped.add(member)
    }
  }
}

/** Continues what `freeze` stopped. */
export function thaw(pid: number): void {
  for (const member of family(pid)) signal(member, 'SIGCONT')
}

/** Kills the process and all its descendants; resolves once they are gone. */
export async function killFamily(pid: number): Promise<void> {
  const members = freeze(pid)
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
