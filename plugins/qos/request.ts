import type { LimitSet } from './limit-set.ts'
import type { OnStoreError } from './policy.ts'

/** One request, as far as it matters to its limits. */
export interface Request {
  readonly key: string
  readonly limitSet: LimitSet
  readonly cost: number
  readonly onStoreError: OnStoreError
  /** Share of a limit that all nodes together may hold ahead; undefined for strict. */
  readonly leaseTolerance: number | undefined
}
