import { Type } from '../../foundation/typebox.ts'
import { type CacheStats, purge, readStats } from '../../plugins/response-cache/management.ts'
import type { PurgeOrder } from '../../plugins/response-cache/purge.ts'
import { purgedEvent } from '../../plugins/response-cache/purged.ts'
import { operatorOf } from '../http/access.ts'
import type { Module } from '../module.ts'
import { withState } from './shared-state.ts'

const Purging = Type.Object(
  {
    kind: Type.Enum(['key', 'prefix', 'tag', 'all'], {
      type: 'string',
      description: 'one path with its query; a path and what is below; `Surrogate-Key`; everything',
    }),
    value: Type.Optional(
      Type.String({ minLength: 1, maxLength: 4_000, description: 'the path or tag; not with `all`' }),
    ),
    host: Type.Optional(
      Type.String({ minLength: 1, maxLength: 500, description: 'only what was asked of this host' }),
    ),
    reason: Type.String({ minLength: 1, maxLength: 1_000 }),
  },
  { additionalProperties: false },
)

/** What response-cache has stored, and orders to forget it. */
export const cacheRoutes: Module = (app, { live, events }) => {
  const tags = ['cache']
  app.get(
    '/v1/cache',
    {
      config: { access: 'viewer' },
      schema: { tags, summary: 'How many answers are stored, and how each node fares' },
    },
    () => withState(live.store, async store => shownStats(await readStats(store))),
  )
  app.post(
    '/v1/cache/purge',
    {
      config: { access: 'editor' },
      schema: { tags, summary: 'Make stored answers invalid on all nodes', body: Purging },
    },
    request =>
      withState(live.store, async store => {
        const { value = '', ...rest } = request.body
        const order = await purge(store, { ...rest, value, actor: operatorOf(request).name })
        await events.publish(purgedEvent(order))
        return shownOrder(order)
      }),
  )
}

const shownStats = ({ stored, purges, nodes }: CacheStats) => ({ stored, purges, nodes })

const shownOrder = ({ kind, value, host, actor, reason, sequence }: PurgeOrder) => ({
  kind,
  value,
  host: host ?? null,
  actor,
  reason,
  at: new Date(sequence).toISOString(),
})
