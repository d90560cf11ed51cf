/** Where instances are started and ended: in this process alone, or agreed with the other workers. */
import { randomInt } from 'node:crypto'
import type { Clock } from '../../foundation/clock.ts'
import type { InstanceStatus } from '../../protocol/calls.ts'
import { createBook } from './book.ts'
import type { Instances } from './instances.ts'

export interface Office {
  /** @throws (or rejects with) SLUICE_PLUGIN_UNKNOWN, SLUICE_PLUGIN_CONFIG */
  start(name: string, json: string): InstanceStatus | Promise<InstanceStatus>
  close(id: number): void
  /** Forgets what has not been used for long; called once a minute. */
  collect(): void
}

/** One process: what it decides holds. */
export function createOwnOffice(instances: Instances, clock: Clock): Office {
  const book = createBook(clock, randomInt(1, 0x7fff_ffff))
  return {
    start(name, json) {
      const read = instances.read(name, json)
      const { id, isNew } = book.start(read.key, read.entity)
      try {
        return instances.adopt(id, read)
      } catch (error) {
        if (isNew) book.forget(id)
        throw error
      }
    },
    close: id => book.close(id),
    collect() {
      for (const id of book.collect(instances.usedAtMs)) instances.forget(id)
    },
  }
}
