import { type EventType, Type } from '../../sdk/sdk.ts'

export const REQUEST_LOG_EVENTS: readonly EventType[] = [
  {
    type: 'request-log.degraded.v1',
    doc: 'Lines or spans cannot be delivered, or can again; no request waits for them.',
    data: Type.Object({
      part: Type.Union([Type.Literal('lines'), Type.Literal('spans')]),
      degraded: Type.Boolean(),
      reason: Type.Union([Type.String(), Type.Null()], { description: 'null where it works again' }),
    }),
  },
]
