import { KINDS } from '../../kong/reconcile/kinds.ts'
import type { EventDraft, EventPublisher } from '../../sdk/event.ts'
import type { ChangeRow } from './change-record.ts'
import type { ChangeStore } from './change-store.ts'
import type { ShownStep } from './step-store.ts'

const PAST = { create: 'created', update: 'updated', delete: 'deleted' } as const
/** Changes that were not announced before a process died, at once. */
const BATCH = 100

/**
 * Publishes the events of changes that have ended: one for the change, and one for each entity that it changed. Their
 * ids derive from change and step, so that the same event twice is stored once.
 */
export class Announcer {
  readonly #store: ChangeStore
  readonly #events: EventPublisher
  readonly #adminUrl: string

  constructor(store: ChangeStore, events: EventPublisher, adminUrl: string) {
    this.#store = store
    this.#events = events
    this.#adminUrl = adminUrl
  }

  /** Announces what has ended and was not announced yet, by whomever it was ended. */
  async announce(): Promise<void> {
    for (const change of await this.#store.unpublished(BATCH)) {
      const steps = await this.#store.steps.shown(change.id)
      await this.#events.publish(changeEvent(change, steps))
      if (change.state === 'applied')
        for (const step of steps) await this.#events.publish(stepEvent(change, step, this.#adminUrl))
      await this.#store.setPublished(change)
    }
  }
}

const timeOf = ({ endedAt, createdAt }: ChangeRow): number => (endedAt ?? createdAt).getTime()

/** Who made a change, and why. */
const madeBy = ({ actor, reason }: ChangeRow) => ({ actor, ...(reason !== null && { reason }) })

function changeEvent(change: ChangeRow, steps: readonly ShownStep[]): EventDraft {
  const { id, state, origin, failure } = change
  return {
    type: `manager.change.${state}.v1`,
    subject: `change/${id}`,
    timeMs: timeOf(change),
    identity: id,
    data: {
      change: id,
      ...madeBy(change),
      origin,
      entities: steps.map(({ label }) => label),
      ...(failure && { failure: failure.detail }),
    },
  }
}

function stepEvent(change: ChangeRow, step: ShownStep, adminUrl: string): EventDraft {
  const { seq, action, kind, id, label, fields, before, after } = step
  return {
    type: `gateway.${KINDS[kind].event}.${PAST[action]}.v1`,
    subject: `${kind}/${id}`,
    timeMs: timeOf(change),
    identity: `${change.id}/${seq}`,
    data: {
      id,
      name: label,
      fields,
      ...madeBy(change),
      change: change.id,
      admin_url: adminUrl,
      ...(before && { before }),
      ...(after && { after }),
    },
  }
}
