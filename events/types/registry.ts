import { SluiceError } from '../../foundation/errors.ts'
import { Compile } from '../../foundation/typebox.ts'
import { EVENT_TYPE_NAME, type EventDraft, type EventType } from '../../sdk/event.ts'
import { GATEWAY_EVENTS } from './gateway.ts'
import { PATH_EVENTS } from './pipeline.ts'

/** The types that do not belong to a plugin. */
export const OWN_EVENTS: readonly EventType[] = [...PATH_EVENTS, ...GATEWAY_EVENTS]

/** What is wrong with a draft: a name that is no name, a type that nobody declared, data against its schema. */
export type DraftProblem =
  | { readonly kind: 'malformed' | 'unknown'; readonly message: string }
  | { readonly kind: 'invalid'; readonly message: string }

export interface EventRegistry {
  readonly types: readonly EventType[]
  /** Undefined when the draft is as its type wants it. */
  check(draft: EventDraft): DraftProblem | undefined
  isExpendable(type: string): boolean
}

/**
 * Knows every declared type.
 *
 * @throws SluiceError SLUICE_EVENTS_INVALID for a name that is no event type, or that is declared twice.
 */
export function createEventRegistry(ofPlugins: readonly EventType[] = []): EventRegistry {
  // A composed plugin may list the types of its members again.
  const types = [...new Set([...OWN_EVENTS, ...ofPlugins])]
  const expendable = new Set(types.filter(type => type.expendable).map(({ type }) => type))
  const declared = new Map<string, EventType>()
  for (const one of types) {
    const { type } = one
    if (!EVENT_TYPE_NAME.test(type))
      throw new SluiceError(
        'SLUICE_EVENTS_INVALID',
        `${JSON.stringify(type)} is not the name of an event type`,
      )
    if (declared.has(type)) throw new SluiceError('SLUICE_EVENTS_INVALID', `${type} is declared twice`)
    declared.set(type, one)
  }
  const checks = new Map<string, ReturnType<typeof Compile>>()
  /** Compiled when the first event of its type comes: all of them would be a tenth of a start. */
  const checkOf = (type: string) => {
    const known = checks.get(type)
    const schema = declared.get(type)?.data
    if (known || !schema) return known
    const made = Compile(schema)
    checks.set(type, made)
    return made
  }
  return {
    types,
    isExpendable: type => expendable.has(type),
    check(draft) {
      if (!EVENT_TYPE_NAME.test(draft.type) || draft.type.length > 200)
        return {
          kind: 'malformed',
          message: `${JSON.stringify(draft.type)} is not the name of an event type`,
        }
      const schema = checkOf(draft.type)
      if (!schema) return { kind: 'unknown', message: `${draft.type} is not declared by any plugin` }
      if (schema.Check(draft.data)) return undefined
      // The values stay out of the message: a wrong one may hold anything.
      const places = schema.Errors(draft.data).map(error => `${error.instancePath || '/'} ${error.message}`)
      return { kind: 'invalid', message: `${draft.type}: ${places.slice(0, 3).join('; ')}` }
    },
  }
}
