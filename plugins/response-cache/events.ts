import { type EventType, Type } from '../../sdk/sdk.ts'

/** What the plugin tells the world. */
export const CACHE_EVENTS: readonly EventType[] = [
  {
    type: 'cache.purged.v1',
    doc: 'Stored answers were purged by an operator. Each node publishes it, as one and the same event.',
    data: Type.Object({
      kind: Type.String({ description: 'key, prefix, tag or all' }),
      value: Type.String({ description: 'the path, its prefix, or the tag; empty for all' }),
      host: Type.String({ description: 'the host that it was limited to; empty for every host' }),
      actor: Type.Optional(Type.String({ description: 'who ordered it, where that is known' })),
      reason: Type.Optional(Type.String({ description: 'why, as they said' })),
    }),
  },
  {
    type: 'cache.stale-served.v1',
    doc: 'The service failed, and clients get stale answers. Once a minute for each node and host at most.',
    data: Type.Object({
      host: Type.String({ description: 'host of the request' }),
      path: Type.String({ description: 'path of the request, without its query' }),
      age_ms: Type.Integer({ minimum: 0, description: 'age of the answer' }),
    }),
  },
]
