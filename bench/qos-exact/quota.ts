import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/** Length of the periods that a quota is for; the kernel's default. */
const PERIOD_MICROS = 100_000

/** A control group that may use a share of a core. */
export interface Quota {
  add(pid: number): void
  close(): Promise<void>
}

/**
 * @param cores how many cores the group may use, such as 0.5.
 * @throws where this user may make no control group.
 */
export function createQuota(name: string, cores: number): Quota {
  const quota = Math.round(cores * PERIOD_MICROS)
  const isFirstVersion = existsSync('/sys/fs/cgroup/cpu/cpu.cfs_quota_us')
  const folder = path.join(isFirstVersion ? '/sys/fs/cgroup/cpu' : '/sys/fs/cgroup', name)
  mkdirSync(folder)
  if (isFirstVersion) {
    writeFileSync(path.join(folder, 'cpu.cfs_period_us'), String(PERIOD_MICROS))
    writeFileSync(path.join(folder, 'cpu.cfs_quota_us'), String(quota))
  } else writeFileSync(path.join(folder, 'cpu.max'), `${quota} ${PERIOD_MICROS}`)
  return {
    add: pid => writeFileSync(path.join(folder, 'cgroup.procs'), String(pid)),
    async close() {
      // A process that has just ended may still be in it.
      for (let tries = 0; ; tries++)
        try {
          return rmdirSync(folder)
        } catch (error) {
          if (tries >= 100) throw error
          await pause(50)
        }
    },
  }
}
