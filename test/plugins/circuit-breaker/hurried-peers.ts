import { systemTimers, type Timers } from '../../../foundation/timers.ts'
import type { Store } from '../../../sdk/store.ts'
import { until } from '../../support/until.ts'

/** Peers beat once a second; tests need not wait for that. */
export const HURRIED: Timers = {
  ...systemTimers,
  every: (ms, callback) => systemTimers.every(Math.min(ms, 20), callback),
}

/** Waits until each process knows that there are so many nodes. */
export function untilHeard(stores: readonly Store[], nodes: number): Promise<void> {
  return until(`${nodes} nodes`, () => stores.every(({ peers }) => peers.isSettled && peers.nodes === nodes))
}
