import { SluiceError } from '../../foundation/errors.ts'
import { Type } from '../../foundation/typebox.ts'
import { forcedEvent } from '../../plugins/circuit-breaker/forced.ts'
import {
  findBreaker,
  listBreakers,
  type ManagedBreaker,
  orderMode,
} from '../../plugins/circuit-breaker/management.ts'
import type { Mode } from '../../plugins/circuit-breaker/mode.ts'
import type { Store } from '../../sdk/store.ts'
import { operatorOf } from '../http/access.ts'
import { Problem } from '../http/problem.ts'
import type { App, Module, Parts } from '../module.ts'
import { withState } from './shared-state.ts'
import { shownBreaker } from './shown-breaker.ts'

const LONGEST_SECONDS = 30 * 86_400
/** One that has had no request yet is known by its whole key only. */
const KEY = /^(service|route):[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

const ORDERS: readonly (readonly [verb: string, mode: Mode, does: string])[] = [
  ['open', 'forced-open', 'Reject every request'],
  ['close', 'forced-closed', 'Let every request pass'],
  ['observe', 'metrics-only', 'Decide and count, but reject nothing'],
  ['disable', 'disabled', 'Neither count nor reject'],
  ['auto', 'auto', 'Let the breaker decide by itself again'],
]

const strict = { additionalProperties: false }
const Name = Type.Object({
  name: Type.String({
    minLength: 1,
    description: 'of the service or route, its id, `service:<id>` or `route:<id>`',
  }),
})
const reason = Type.String({ minLength: 1, maxLength: 1_000 })
const Timed = Type.Object(
  {
    reason,
    seconds: Type.Integer({
      minimum: 1,
      maximum: LONGEST_SECONDS,
      description: 'when the order ends by itself',
    }),
  },
  strict,
)
const Untimed = Type.Object({ reason }, strict)

const TAGS = ['breakers']
const VIEWER = { access: 'viewer' } as const
const All = Type.Object(
  { all: Type.Optional(Type.Literal('1', { description: 'also those that others have replaced' })) },
  strict,
)

/** Breakers as they are now, and orders to them for a while. */
export const breakerRoutes: Module = (app, parts) => {
  routeReads(app, parts)
  for (const order of ORDERS) routeOrder(app, parts, order)
}

function routeReads(app: App, { live }: Parts): void {
  const summary = 'Every breaker that has had requests'
  app.get(
    '/v1/breakers',
    { config: VIEWER, schema: { tags: TAGS, summary, querystring: All } },
    ({ query }) =>
      withState(live.store, async store => ({
        data: (await listBreakers(store, { stale: query.all !== undefined })).map(shownBreaker),
      })),
  )
  app.get(
    '/v1/breakers/:name',
    { config: VIEWER, schema: { tags: TAGS, summary: 'A breaker', params: Name } },
    ({ params }) => withState(live.store, async store => shownBreaker(await named(store, params.name))),
  )
}

function routeOrder(app: App, parts: Parts, [verb, mode, summary]: (typeof ORDERS)[number]): void {
  const body = mode === 'auto' ? Untimed : Timed
  app.post(
    `/v1/breakers/:name/${verb}`,
    { config: { access: 'editor' }, schema: { tags: TAGS, summary, params: Name, body } },
    request => {
      const { seconds = 0, reason: why } = request.body as { seconds?: number; reason: string }
      const order = { mode, remainingMs: seconds * 1_000, actor: operatorOf(request).name, reason: why }
      return give(parts, request.params.name, order)
    },
  )
}

type Order = Parameters<typeof orderMode>[2]

const give = ({ live, events }: Parts, name: string, order: Order) =>
  withState(live.store, async store => {
    const key = KEY.test(name) ? name : (await named(store, name)).key
    const breaker = await orderMode(store, key, order)
    await events.publish(forcedEvent(key, breaker.snapshot.mode))
    return shownBreaker(breaker)
  })

async function named(store: Store, name: string): Promise<ManagedBreaker> {
  try {
    return await findBreaker(store, name)
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'SLUICE_CLI_USAGE') throw error
    throw new Problem(
      error.details.found === 0 ? 'SLUICE_MANAGER_NOT_FOUND' : 'SLUICE_MANAGER_CONFLICT',
      error.message,
    )
  }
}
