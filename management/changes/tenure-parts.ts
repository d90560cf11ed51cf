import type { Clock } from '../../foundation/clock.ts'
import type { Logger } from '../../foundation/log.ts'
import type { Timers } from '../../foundation/timers.ts'
import type { AdminClient } from '../../kong/admin/client.ts'
import type { EventPublisher } from '../../sdk/event.ts'
import type { FaultPoint } from '../fault-point.ts'
import type { DriftStore } from '../mirror/drift-store.ts'
import type { MirrorStore } from '../mirror/store.ts'
import type { Policy } from '../policy/policy.ts'
import type { KongSchemas } from '../schemas.ts'
import type { Sealer } from '../sealer.ts'
import type { ChangeStore } from './change-store.ts'
import type { Timing } from './timing.ts'
import type { UndoQueue } from './undo-queue.ts'

/** What changing Kong takes, whoever holds the lease. */
export interface ChangingParts {
  /** Each request takes `timing.requestMs` at most. */
  readonly kong: AdminClient
  /** For whole collections. */
  readonly slowKong: AdminClient
  readonly schemas: KongSchemas
  readonly store: ChangeStore
  readonly mirror: MirrorStore
  readonly sealer: Sealer
  readonly clock: Clock
  readonly timers: Timers
  readonly random: () => number
  readonly newId: () => string
  readonly log: Logger
  readonly fault: FaultPoint
  readonly timing: Timing
  /** What becomes of what was changed past the manager. */
  readonly drift: 'adopt' | 'report'
  readonly driftStore: DriftStore
  readonly events: EventPublisher
  readonly policy: Policy
  /** Undefined where no broker is configured. */
  readonly queue: () => UndoQueue | undefined
}
