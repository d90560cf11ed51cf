import { statOf } from '../ops/local/processes.ts'

/** The kernel's unit of CPU times in /proc. */
const TICK_MS = 10

/** CPU time that the process has used so far, its own and the kernel's for it, in milliseconds. Linux only. */
export function cpuMs(pid: number): number {
  const fields = statOf(pid)
  if (!fields) throw new Error(`process ${pid} is gone`)
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS
}
