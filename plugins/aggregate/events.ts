import { type EventType, Type } from '../../sdk/sdk.ts'

export const AGGREGATE_EVENTS: readonly EventType[] = [
  {
    type: 'aggregate.part-degraded.v1',
    doc: 'A part of an aggregate fails (5xx, no answer, no JSON), or is there again. Once a change, not once a request.',
    data: Type.Object({
      entry: Type.String({ description: 'id of the plugin entity in Kong' }),
      part: Type.String(),
      degraded: Type.Boolean(),
      status: Type.Integer({ description: 'status of the failure; 200 where it is there again' }),
    }),
  },
]
