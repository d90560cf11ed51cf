/** Where instances are started and ended: in this process alone, or agreed with the other workers. */
import { randomInt } from 'node:crypto'
import type { Clock } from '../../foundation/clock.ts'
import type { InstanceStatus } from '../../protocol/calls.ts'
import { createInstanceTable } from './instance-table.ts'
import type { Instances } from './instances.ts'

export interface InstanceCoordinator {
  /** @throws (or rejects with) SLUICE_PLUGIN_UNKNOWN, SLUICE_PLUGIN_CONFIG */
  start(name: string, json: string): InstanceStatus | Promise<InstanceStatus>
  close(id: number): void
  /** Forgets what has not been used for long; called once a minute. */
  collect(): void
}

/** One process: what it decides holds. */
export function createOwnCoordinator(instances: Instances, clock: Clock): InstanceCoordinator {
  const table = createInstanceTable(clock, randomInt(1, 0x7fff_ffff))
  return {
    start(name, json) {
      const read = instances.read(name, json)
      const { id, isNew } = table.start(read.key, read.entity)
      try {
        return instances.adopt(id, read)
      } catch (error) {
        if (isNew) table.forget(id)
        throw error
      }
    },
    close: id => table.close(id),
    collect() {
      for (const id of table.collect(instances.usedAtMs)) instances.forget(id)
    },
  }
}
