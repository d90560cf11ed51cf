import { createLimitSet } from './limit-set.ts'

/** Names no subject. */
export const WARM_KEY = '{sluice:qos}:warm'

export const WARM_LIMITS = createLimitSet([
  { kind: 'gcra', name: 'warm', shadow: false, requests: 1, burst: 1, perMicros: 1_000_000 },
])
