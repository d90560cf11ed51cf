import { setTimeout as pause } from 'node:timers/promises'
import type { Service } from '../../ops/local/service.ts'

export interface Condition {
  readonly name: string
  readonly title: string
  readonly burners: number
  /** Cores that all plugin servers together may use. */
  readonly cores?: number
  /** Redis is stopped for so long at the beginning of every second. */
  readonly stopMs?: number
}

export const CONDITIONS: readonly Condition[] = [
  { name: 'quiet', title: 'quiet', burners: 0 },
  { name: 'burners-4', title: '4 burners', burners: 4 },
  { name: 'burners-8', title: '8 burners', burners: 8 },
  { name: 'burners-16', title: '16 burners', burners: 16 },
  { name: 'quota', title: 'half a core for all four', burners: 0, cores: 0.5 },
  { name: 'stops', title: 'Redis stopped 100 ms each second', burners: 0, stopMs: 100 },
  { name: 'outage', title: 'Redis stopped 500 ms each second', burners: 0, stopMs: 500 },
]

/** Stops Redis again and again until the returned function is called. */
export function interrupt(redis: Service, stopMs: number): () => Promise<void> {
  let isOn = true
  const running = (async () => {
    while (isOn) {
      await redis.pause()
      await pause(stopMs)
      await redis.resume()
      await pause(1000 - stopMs)
    }
  })()
  return async () => {
    isOn = false
    await running
  }
}
