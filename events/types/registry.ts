import { SluiceError } from '../../foundation/errors.ts'
import { Compile } from '../../foundation/typebox.ts'
import { EVENT_TYPE_NAME, type EventDraft, type EventType } from '../../sdk/event.ts'
import { GATEWAY_EVENTS } from './gateway.ts'
import { MANAGER_EVENTS } from './manager.ts'
import { PIPELINE_EVENTS } from './pipeline.ts'

/** The types that do not belong to a plugin. */
export const OWN_EVENTS: readonly EventType[] = [...PIPELINE_EVENTS, ...GATEWAY_EVENTS, ...MANAGER_EVENTS]

/** What is wrong with a draft: a name that is no name, a type that nobody declared, data against its schema. */
export interface DraftProblem {
  readonly kind: 'malformed' | 'unknown' | 'invalid'
  /** Names the places, never the values. Takes a hundred times as long as the check that found it. */
  describe(): string
}

/** Knows every declared type. */
export class EventRegistry {
  readonly types: readonly EventType[]
  readonly #declared = new Map<string, EventType>()
  readonly #checks = new Map<string, ReturnType<typeof Compile>>()

  /** @throws SluiceError SLUICE_EVENTS_INVALID for a name that is no event type, or that is declared twice. */
  constructor(ofPlugins: readonly EventType[] = []) {
    // A composed plugin may list the types of its members again.
    this.types = [...new Set([...OWN_EVENTS, ...ofPlugins])]
    for (const type of this.types) this.#declare(type)
  }

  isExpendable(type: string): boolean {
    return this.#declared.get(type)?.expendable === true
  }

  /** Undefined when the draft is as its type wants it. */
  check(draft: EventDraft): DraftProblem | undefined {
    if (!EVENT_TYPE_NAME.test(draft.type) || draft.type.length > MAX_NAME_LENGTH)
      return {
        kind: 'malformed',
        describe: () => `${JSON.stringify(draft.type)} is not the name of an event type`,
      }
    const schema = this.#checkOf(draft.type)
    if (!schema) return { kind: 'unknown', describe: () => `${draft.type} is not declared by any plugin` }
    return schema.Check(draft.data) ? undefined : { kind: 'invalid', describe: () => placesIn(draft, schema) }
  }

  #declare(one: EventType): void {
    const { type } = one
    if (!EVENT_TYPE_NAME.test(type))
      throw new SluiceError(
        'SLUICE_EVENTS_INVALID',
        `${JSON.stringify(type)} is not the name of an event type`,
      )
    if (this.#declared.has(type)) throw new SluiceError('SLUICE_EVENTS_INVALID', `${type} is declared twice`)
    this.#declared.set(type, one)
  }

  /** Compiled when the first event of its type comes: all of them would be a tenth of a start. */
  #checkOf(type: string): ReturnType<typeof Compile> | undefined {
    const known = this.#checks.get(type)
    const schema = this.#declared.get(type)?.data
    if (known || !schema) return known
    const made = Compile(schema)
    this.#checks.set(type, made)
    return made
  }
}

/** The values stay out of it: a wrong one may hold anything. */
function placesIn({ type, data }: EventDraft, schema: ReturnType<typeof Compile>): string {
  const places = schema.Errors(data).map(error => `${error.instancePath || '/'} ${error.message}`)
  return `${type}: ${places.slice(0, 3).join('; ')}`
}

const MAX_NAME_LENGTH = 200
