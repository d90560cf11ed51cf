import type { Row } from '../../kong/reconcile/change.ts'
import type { KindName } from '../../kong/reconcile/kinds.ts'

/** What is asked for of one entity. */
export interface Operation {
  readonly action: 'create' | 'replace' | 'update' | 'delete'
  readonly kind: KindName
  /** Its id, or the name that stands in paths; undefined for a creation. */
  readonly key?: string
  readonly body: Row
  /** ETags of which one must be its present one; `*`: it must exist. */
  readonly ifMatch?: readonly string[]
  /**
   * Of an operation that takes an earlier change back: fields as that one has left them. What somebody has changed or
   * added since is not overwritten or deleted; where a deletion finds nothing, nothing is left to take back.
   */
  readonly expected?: Row
  /** JSON pointer to the body in the request. */
  readonly pointer: string
}
