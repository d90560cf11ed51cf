import { setTimeout as sleep } from 'node:timers/promises'
import { killFamily, signal } from '../processes.ts'
import { removeEnvironment } from './env.ts'
import { members, supervisorOf } from './members.ts'
import { readState, removeState } from './state.ts'

/** How long the parts may take to end in order, milliseconds. */
const END_MS = 45_000

/**
 * Ends all that runs of the platform: the supervisor ends its parts in order. After a crash of the supervisor their
 * guards do that; whatever neither of them ends is killed here.
 *
 * @returns whether anything was to be ended
 */
export async function endPlatform(): Promise<boolean> {
  const state = readState()
  if (members(state).length === 0) {
    clear()
    return state !== undefined
  }
  const supervisor = supervisorOf(state)
  if (supervisor) signal(supervisor.pid, 'SIGTERM')
  const deadline = performance.now() + END_MS
  while (members(state).length > 0 && performance.now() < deadline) await sleep(100)
  for (const { pid } of members(state)) await killFamily(pid)
  clear()
  return true
}

function clear(): void {
  removeEnvironment()
  removeState()
}
