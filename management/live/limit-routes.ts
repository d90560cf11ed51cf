import type { FastifyRequest } from 'fastify'
import { type Static, Type } from '../../foundation/typebox.ts'
import { type AnnouncedChange, changeSubject, MAX_CHANGE_MS } from '../../plugins/qos/limit-admin.ts'
import { limitsChangedEvent } from '../../plugins/qos/limits-changed.ts'
import type { Standing } from '../../plugins/qos/standing.ts'
import type { Store } from '../../sdk/store.ts'
import { operatorOf } from '../http/access.ts'
import type { App, Module, Parts } from '../module.ts'
import { LimitTargets, type Wish } from './limit-targets.ts'
import { withState } from './shared-state.ts'

const MOST_REQUESTS = 1_000_000_000
const strict = { additionalProperties: false }
const text = (description: string) => Type.String({ minLength: 1, maxLength: 500, description })

const Who = {
  consumer: Type.Optional(text('name or id')),
  subject: Type.Optional(text('instead of a consumer: `ip:192.0.2.1`, `credential:<id>`, …')),
  scope: Type.Optional(text('`all`, `route=<id>` or `service=<id>`; everywhere where left out')),
}
const Requests = Type.Integer({ minimum: 1, maximum: MOST_REQUESTS })
const Why = { reason: Type.String({ minLength: 1, maxLength: 1_000 }) }
const Limit = text('name of the limit')
const Reset = Type.Object({ ...Who, ...Why, limit: Type.Optional(Limit) }, strict)
const Raise = Type.Object(
  {
    ...Who,
    ...Why,
    limit: Limit,
    requests: Requests,
    burst: Type.Optional(Requests),
    seconds: Type.Integer({ minimum: 1, maximum: MAX_CHANGE_MS / 1_000, description: 'how long it lasts' }),
  },
  strict,
)
const Unset = Type.Object({ ...Who, ...Why, limit: Limit }, strict)

type Asked = Static<typeof Reset>

const TAGS = ['limits']
const EDITOR = { access: 'editor' } as const

/** What is used and left of limits, and changes of them for a while. */
export const limitRoutes: Module = (app, parts) => {
  const summary = 'What a subject has used and left'
  app.get(
    '/v1/limits',
    {
      config: { access: 'viewer' },
      schema: { tags: TAGS, summary, querystring: Type.Object(Who, strict) },
    },
    ({ query }) =>
      withState(parts.live.store, async store => {
        const targets = targetsIn(store, parts)
        return answer(await targets.standings(await targets.find(query)))
      }),
  )
  routeChanges(app, parts)
}

function routeChanges(app: App, parts: Parts): void {
  app.post(
    '/v1/limits/reset',
    { config: EDITOR, schema: { tags: TAGS, summary: 'Set what is used to zero', body: Reset } },
    request => change(parts, request, request.body, { action: 'reset', limit: request.body.limit }),
  )
  app.post(
    '/v1/limits/set',
    { config: EDITOR, schema: { tags: TAGS, summary: 'Change a limit for a while', body: Raise } },
    request => {
      const { limit, requests, burst = requests, seconds } = request.body
      const lastsMs = seconds * 1_000
      return change(parts, request, request.body, { action: 'set', limit, requests, burst, lastsMs })
    },
  )
  app.post(
    '/v1/limits/unset',
    { config: EDITOR, schema: { tags: TAGS, summary: 'End such a change', body: Unset } },
    request => change(parts, request, request.body, { action: 'unset', limit: request.body.limit }),
  )
}

const targetsIn = (store: Store, { settings }: Parts): LimitTargets =>
  new LimitTargets({ store, adminUrl: settings.adminUrl, nameOf: field => field })

const change = (parts: Parts, request: FastifyRequest, asked: Asked, wish: Wish) =>
  withState(parts.live.store, async store => {
    const targets = targetsIn(store, parts)
    const keys = await targets.toChange(asked, wish)
    for (const key of keys) {
      const atMs = parts.clock.now()
      const made: AnnouncedChange = {
        ...wish,
        key,
        actor: operatorOf(request).name,
        reason: asked.reason,
        atMs,
      }
      await changeSubject(store, made, atMs)
      await parts.events.publish(limitsChangedEvent(made))
    }
    return answer(await targets.standings(keys))
  })

const answer = (standings: readonly Standing[]) => ({ data: standings.map(shown) })

const shown = ({ key, scope, subject, expiresInSeconds, limits, changes }: Standing) => ({
  key,
  scope: scope ?? null,
  subject: subject ?? null,
  expires_in_seconds: expiresInSeconds ?? null,
  limits: limits.map(({ perSeconds, resetSeconds, ...limit }) => ({
    ...limit,
    per_seconds: perSeconds,
    reset_seconds: resetSeconds,
  })),
  changes,
})
