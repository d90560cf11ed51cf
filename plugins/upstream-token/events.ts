import { type EventType, Type } from '../../sdk/sdk.ts'

const text = (description: string) => Type.String({ description })

export const TOKEN_EVENTS: readonly EventType[] = [
  {
    type: 'upstream-token.key-changed.v1',
    doc: 'A process signs upstream tokens with another key, or with its first one.',
    data: Type.Object({
      kid: text('id of the key that signs now'),
      previous_kid: Type.Union([Type.String(), Type.Null()], { description: 'null for the first key' }),
      not_before: Type.Integer({ description: 'from when on it was to sign, seconds since the epoch' }),
    }),
  },
]
