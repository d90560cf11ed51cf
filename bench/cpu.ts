import { readFileSync } from 'node:fs'

/** The kernel's unit of CPU times in /proc. */
const TICK_MS = 10

/** CPU time that the process has used so far, its own and the kernel's for it, in milliseconds. Linux only. */
export function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS
}
