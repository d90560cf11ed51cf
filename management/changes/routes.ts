import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Static, Type } from '../../foundation/typebox.ts'
import { isUuid } from '../../foundation/uuid.ts'
import { KIND_NAMES, KINDS } from '../../kong/reconcile/kinds.ts'
import { operatorOf } from '../http/access.ts'
import { askerOf } from '../http/asker.ts'
import { readPrefer } from '../http/prefer.ts'
import { Problem } from '../http/problem.ts'
import type { Module, Parts } from '../module.ts'
import { type ChangeRow, type ChangeState, isEnded, STATES } from './change-record.ts'
import { changeBody, changeSummary } from './represent.ts'
import { Flags, submitChange } from './submit-routes.ts'
import { undoOperations } from './undo-request.ts'

const Id = Type.Object({ id: Type.String() })
const tags = ['changes']

const ListQuery = Type.Object(
  {
    state: Type.Optional(Type.Enum([...STATES], { type: 'string' })),
    actor: Type.Optional(Type.String({ minLength: 1 })),
    kind: Type.Optional(
      Type.Enum(
        KIND_NAMES.map(name => KINDS[name].path),
        { type: 'string', description: 'with `entity`: changes that touched it' },
      ),
    ),
    entity: Type.Optional(Type.String({ description: 'id of an entity' })),
    size: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000, default: 100 })),
    cursor: Type.Optional(
      Type.String({ pattern: '^[0-9]{1,18}$', description: 'of `next` of the page before' }),
    ),
  },
  { additionalProperties: false },
)

const Reason = Type.Optional(Type.String({ maxLength: 1_000 }))
const UndoBody = Type.Object({ reason: Reason }, { additionalProperties: false })
const ResolveBody = Type.Object(
  { reason: Type.String({ minLength: 1, maxLength: 1_000 }) },
  { additionalProperties: false },
)

/** A body may be left out where all of it may. */
const preValidation = async (request: FastifyRequest): Promise<void> => {
  request.body ??= {}
}

/** Changes: what was asked for, how far it is, and why it was undone; their undo, and what becomes of stuck ones. */
export const changeRoutes: Module = (app, parts) => {
  app.get(
    '/v1/changes',
    { config: { access: 'viewer' }, schema: { tags, summary: 'List changes', querystring: ListQuery } },
    request => listChanges(request.query, parts),
  )
  app.get(
    '/v1/changes/:id',
    {
      config: { access: 'viewer' },
      schema: { tags, summary: 'A change with its steps', params: Id },
    },
    async request => {
      const change = await changeAt(request.params.id, parts)
      const position = isEnded(change.state) ? {} : { position: await parts.changes.store.ahead(change) }
      return { ...(await changeBody(change, parts.changes.store)), ...position }
    },
  )
  const config = { access: 'editor' } as const
  app.post(
    '/v1/changes/:id/undo',
    {
      config,
      preValidation,
      schema: {
        ...{ tags, summary: 'Make the change that undoes an applied one' },
        ...{ params: Id, querystring: Flags, body: UndoBody },
      },
    },
    (request, reply) => undoChange(request, reply, parts),
  )
  app.post(
    '/v1/changes/:id/retry',
    {
      config,
      preValidation,
      schema: {
        tags,
        summary: 'Try again to undo a stuck change',
        params: Id,
        body: UndoBody,
      },
    },
    (request, reply) => retryChange(request, reply, parts),
  )
  app.post(
    '/v1/changes/:id/resolve',
    { config, schema: { tags, summary: 'Leave a stuck change as it is', params: Id, body: ResolveBody } },
    (request, reply) => resolveChange(request, reply, parts),
  )
}

type Query = Static<typeof ListQuery>
type Keyed = FastifyRequest<{ Params: Static<typeof Id> }>

async function listChanges(query: Query, { history }: Parts) {
  const { state, actor, kind: path, entity, size = 100, cursor: before } = query
  const kind = KIND_NAMES.find(name => KINDS[name].path === path)
  if ((kind === undefined) !== (entity === undefined) || (entity !== undefined && !isUuid(entity))) {
    const detail = 'entity: takes the id of an entity, together with `kind`'
    throw new Problem('SLUICE_MANAGER_MALFORMED', detail, {
      faults: [{ pointer: '?entity', code: 'invalid', detail }],
    })
  }
  const rows = await history.list({
    size,
    ...(state !== undefined && { state: state as ChangeState }),
    ...(actor !== undefined && { actor }),
    ...(kind && entity !== undefined && { entity: { kind, id: entity } }),
    ...(before !== undefined && { before }),
  })
  const page = rows.slice(0, size)
  const last = rows.length > size ? page.at(-1) : undefined
  const data = page.map(({ entities, ...change }) => ({ ...changeSummary(change), entities: entities ?? [] }))
  return { data, next: last ? nextPath(query, last.sequence) : null }
}

function nextPath(query: Query, cursor: string): string {
  const given = Object.entries({ ...query, cursor }).map(([name, value]) => [name, String(value)] as const)
  return `/v1/changes?${new URLSearchParams(Object.fromEntries(given))}`
}

async function changeAt(id: string, { changes }: Parts): Promise<ChangeRow> {
  const change = isUuid(id) ? await changes.store.find(id) : undefined
  if (!change) throw new Problem('SLUICE_MANAGER_NOT_FOUND', `there is no change ${JSON.stringify(id)}`)
  return change
}

async function undoChange(request: FastifyRequest, reply: FastifyReply, parts: Parts): Promise<unknown> {
  const change = await changeAt((request as Keyed).params.id, parts)
  if (change.state !== 'applied')
    throw new Problem(
      'SLUICE_MANAGER_CONFLICT',
      `only an applied change can be undone; this one is ${change.state}`,
    )
  const steps = await parts.changes.store.steps.of(change.id)
  if (steps.length === 0)
    throw new Problem(
      'SLUICE_MANAGER_CONFLICT',
      'the change did nothing, or is so old that its images were erased',
    )
  const { irreversible } = request.query as Static<typeof Flags>
  const asked = {
    operations: undoOperations(steps, parts.changes.now()),
    acceptsIrreversible: irreversible === 'accept',
    role: operatorOf(request).role,
  }
  return submitChange(parts, { request, reply }, asked, { undoOf: change.id })
}

async function retryChange(request: FastifyRequest, reply: FastifyReply, parts: Parts): Promise<unknown> {
  const change = await changeAt((request as Keyed).params.id, parts)
  parts.changes.refuseWhereReadOnly()
  if (!(await parts.history.retry(change))) throw notStuck(change)
  const preference = readPrefer(request.headers.prefer)
  const ended = await parts.changes.waitForEnd({ ...change, state: 'undoing' }, preference.waitMs)
  if (preference.applied !== undefined) reply.header('preference-applied', preference.applied)
  return reply
    .status(isEnded(ended.state) ? 200 : 202)
    .header('location', `/v1/changes/${change.id}`)
    .send(await changeBody(ended, parts.changes.store))
}

async function resolveChange(request: FastifyRequest, reply: FastifyReply, parts: Parts): Promise<unknown> {
  const { changes, history, events, clock } = parts
  const change = await changeAt((request as Keyed).params.id, parts)
  const { actor, reason } = askerOf(request)
  const at = new Date(clock.now())
  const stuck = await changes.store.stuckOf(change.id)
  if (!(await history.resolve(change, { actor, reason: reason ?? '', at: at.toISOString() })))
    throw notStuck(change)
  await events.publish({
    type: 'manager.change.resolved.v1',
    subject: `change/${change.id}`,
    timeMs: at.getTime(),
    identity: change.id,
    data: {
      ...{ change: change.id, actor, ...(reason !== null && { reason }), origin: change.origin },
      entities: stuck.map(({ label }) => label),
    },
  })
  const after = (await changes.store.find(change.id)) ?? change
  return reply.send(await changeBody(after, changes.store))
}

const notStuck = ({ state, resolution }: ChangeRow): Problem =>
  new Problem(
    'SLUICE_MANAGER_CONFLICT',
    resolution ? 'the change was resolved already' : `the change is ${state}, not stuck`,
  )
