import { type EventType, Type } from '../../sdk/sdk.ts'

const who = {
  subject: Type.String({
    description: 'whose requests are counted together, such as consumer:<id> or ip:<address>',
  }),
  consumer: Type.Optional(Type.String({ description: 'username, custom id or id' })),
  tier: Type.String(),
  scope: Type.String({ description: 'what the plugin is bound to in Kong, such as route=<id>, or all' }),
}

/** What the plugin publishes. */
export const QOS_EVENTS: readonly EventType[] = [
  {
    type: 'qos.rejected.v1',
    doc: 'A subject was over its limits: at once for the first request, then every ten seconds with a count.',
    data: Type.Object({
      ...who,
      limits: Type.Array(Type.String(), { description: 'names of the limits that refused' }),
      count: Type.Integer({ minimum: 1, description: 'requests refused since the last such event' }),
      shadow: Type.Boolean({ description: 'true: they were let through' }),
      retry_after_seconds: Type.Optional(Type.Number()),
    }),
  },
  {
    type: 'qos.shed.v1',
    doc: 'Requests of a tier were shed, because their service had enough in flight or their subject too much: at once for the first, then every ten seconds with a count.',
    data: Type.Object({
      service: Type.String({ description: 'id of the service in Kong' }),
      tier: Type.String(),
      reason: Type.Enum(['overload', 'concurrency']),
      count: Type.Integer({ minimum: 1, description: 'requests shed since the last such event' }),
      limit: Type.Integer({ description: 'what the service may have in flight now' }),
      in_flight: Type.Integer(),
    }),
  },
  {
    type: 'qos.near-limit.v1',
    doc: 'A subject has used the share `near_limit` of a limit; once a window.',
    data: Type.Object({
      ...who,
      limit: Type.String(),
      requests: Type.Integer(),
      remaining: Type.Integer(),
    }),
  },
  {
    type: 'qos.store-degraded.v1',
    doc: 'Redis went away or came back, and this node began or ended to decide alone.',
    data: Type.Object({
      degraded: Type.Boolean(),
      reason: Type.String(),
      nodes: Type.Integer({ description: 'how many nodes share the limits, as far as this one knows' }),
    }),
  },
  {
    type: 'qos.limits-changed.v1',
    doc: 'An operator has reset the limits of a subject, or changed them for a while.',
    data: Type.Object({
      key: Type.String(),
      action: Type.Enum(['reset', 'set', 'unset']),
      limit: Type.Optional(Type.String()),
      requests: Type.Optional(Type.Integer()),
      burst: Type.Optional(Type.Integer()),
      until: Type.Optional(Type.String({ description: 'RFC 3339' })),
      actor: Type.String(),
      reason: Type.String(),
    }),
  },
]
