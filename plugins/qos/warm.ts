import { createPlan } from './plan.ts'

/** Names no subject. */
export const WARM_KEY = '{sluice:qos}:warm'

export const WARM_PLAN = createPlan([
  { kind: 'gcra', name: 'warm', shadow: false, requests: 1, burst: 1, perMicros: 1_000_000 },
])
