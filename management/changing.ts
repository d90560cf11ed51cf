import { randomUUID } from 'node:crypto'
import type { Clock } from '../foundation/clock.ts'
import { SluiceError } from '../foundation/errors.ts'
import type { Logger } from '../foundation/log.ts'
import type { Settings } from '../foundation/settings.ts'
import type { Timers } from '../foundation/timers.ts'
import { AdminClient } from '../kong/admin/client.ts'
import type { EventPublisher } from '../sdk/event.ts'
import { ChangeStore } from './changes/change-store.ts'
import { Changes } from './changes/changes.ts'
import { Holder } from './changes/holder.ts'
import { Lease } from './changes/lease.ts'
import type { ChangingParts } from './changes/tenure-parts.ts'
import type { Timing } from './changes/timing.ts'
import { UndoQueue } from './changes/undo-queue.ts'
import { Notices } from './changes/watch.ts'
import type { Database } from './database.ts'
import type { FaultPoint } from './fault-point.ts'
import { DriftStore } from './mirror/drift-store.ts'
import { MirrorStore } from './mirror/store.ts'
import { policyOf } from './policy/of-settings.ts'
import { Readiness } from './readiness.ts'
import { KongSchemas } from './schemas.ts'
import { Sealer } from './sealer.ts'
import { Upkeep } from './upkeep.ts'

export interface ChangingOptions {
  readonly settings: Settings
  readonly database: Database
  readonly clock: Clock
  readonly timers: Timers
  readonly random: () => number
  readonly log: Logger
  readonly fault: FaultPoint
  readonly timing: Timing
  readonly events: EventPublisher
}

/** How long Kong may take for a page of a collection. */
const READ_MS = 15_000

/** All that changes Kong, in this process. */
export class Changing {
  readonly changes: Changes
  readonly sealer: Sealer
  readonly mirror: MirrorStore
  readonly drift: DriftStore
  readonly schemas: KongSchemas
  readonly holder: Holder
  readonly store: ChangeStore
  readonly kong: AdminClient
  readonly readiness: Readiness
  readonly #slowKong: AdminClient
  readonly #notices: Notices
  readonly #upkeep: Upkeep
  readonly #queue: UndoQueue | undefined
  readonly #stopListening: () => void

  /** @throws SluiceError SLUICE_CONFIG_INVALID */
  constructor(options: ChangingOptions) {
    const { settings, database, log, timers, clock, fault, timing } = options
    const { adminUrl: url, amqpUrl } = settings
    this.sealer = new Sealer(keyOf(settings))
    this.kong = new AdminClient({ url, timeoutMs: timing.requestMs, clock: () => clock.now() })
    this.#slowKong = new AdminClient({ url, timeoutMs: READ_MS, clock: () => clock.now() })
    this.schemas = new KongSchemas(this.kong, clock)
    this.mirror = new MirrorStore(database, this.sealer)
    this.drift = new DriftStore(database)
    this.store = new ChangeStore(database, this.sealer, fault)
    this.readiness = new Readiness({ mirror: this.mirror, kong: this.kong, timers })
    this.#upkeep = new Upkeep({ database, timers, log })
    this.#notices = new Notices({ url: database.url, log, timers })
    const parts: ChangingParts = {
      ...options,
      kong: this.kong,
      slowKong: this.#slowKong,
      schemas: this.schemas,
      store: this.store,
      mirror: this.mirror,
      sealer: this.sealer,
      newId: randomUUID,
      drift: settings.managerDrift,
      driftStore: this.drift,
      policy: policyOf(settings, timers, clock),
      queue: () => this.#queue,
    }
    const holder = new Holder(
      parts,
      new Lease({ database, clock, fault, holder: randomUUID(), leaseMs: timing.leaseMs }),
    )
    this.holder = holder
    this.#queue =
      amqpUrl === undefined
        ? undefined
        : new UndoQueue({ url: amqpUrl, log, timers, fault, onHint: id => holder.hint(id) })
    this.#stopListening = this.#notices.listen(payload => {
      if (payload === 'added' || payload === 'woken') holder.wake()
    })
    this.changes = new Changes({
      ...parts,
      notices: this.#notices,
      readOnly: () =>
        settings.managerReadOnly ? 'the manager is read-only for maintenance' : this.readiness.readOnly,
    })
  }

  /** Why changes wait, or go on by halves; a sentence each. */
  get problems(): readonly string[] {
    return [this.holder.problem, this.#queue?.problem].filter(problem => problem !== undefined)
  }

  async start(): Promise<void> {
    await this.#upkeep.makePartitions()
    await this.#upkeep.run()
    this.holder.start()
  }

  async close(): Promise<void> {
    await this.holder.close()
    this.#stopListening()
    this.readiness.close()
    this.#upkeep.close()
    this.#notices.close()
    await this.#queue?.close()
    await this.kong.close()
    await this.#slowKong.close()
  }
}

function keyOf({ managerKey }: Settings): string {
  if (managerKey !== undefined) return managerKey
  throw new SluiceError(
    'SLUICE_CONFIG_INVALID',
    'SLUICE_MANAGER_KEY: is not set, and neither is SLUICE_MANAGER_KEY_FILE; `sluice manager key > FILE` makes one',
  )
}
