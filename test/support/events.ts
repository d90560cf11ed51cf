import { EventRegistry } from '../../events/types/registry.ts'
import type { EventDraft, EventPublisher, EventType } from '../../sdk/event.ts'

export interface RecordedEvents extends EventPublisher {
  readonly drafts: readonly EventDraft[]
  /** The drafts of one type. */
  of(type: string): readonly EventDraft[]
}

/**
 * A publisher for the tests of plugins: it keeps what is published, and throws where production would count:
 * for a type that is not declared and for data that its schema refuses.
 */
export function recordEvents(types: readonly EventType[]): RecordedEvents {
  const registry = new EventRegistry(types)
  const drafts: EventDraft[] = []
  return {
    drafts,
    of: type => drafts.filter(draft => draft.type === type),
    async publish(draft) {
      const problem = registry.check(draft)
      if (problem) throw new Error(problem.describe())
      drafts.push(draft)
    },
  }
}
