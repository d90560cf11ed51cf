import { type Static, Type } from '../../foundation/typebox.ts'
import { isUuid } from '../../foundation/uuid.ts'
import { KIND_NAMES, KINDS } from '../../kong/reconcile/kinds.ts'
import { normaliseCurrent } from '../../kong/reconcile/normalise.ts'
import type { Current } from '../../kong/reconcile/read.ts'
import { Flags, submitChange } from '../changes/submit-routes.ts'
import { operatorOf } from '../http/access.ts'
import { Problem } from '../http/problem.ts'
import type { App, Module, Parts } from '../module.ts'
import type { DriftStore, FoundDrift } from './drift-store.ts'
import { restoreOperation } from './restore.ts'

const Key = Type.Object({
  kind: Type.String({ description: 'as in the paths of entities: services, key-auths' }),
  id: Type.String(),
})

const Irreversible = Type.Object({ irreversible: Flags.properties.irreversible })

const TAGS = ['drift']
const EDITOR = { access: 'editor' } as const

/** What was changed past the manager, where SLUICE_MANAGER_DRIFT=report. */
export const driftRoutes: Module = (app, parts) => {
  routeList(app, parts)
  routeAccepting(app, parts)
  routeRestoring(app, parts)
}

function routeList(app: App, { drift, readiness, settings }: Parts): void {
  const schema = { tags: TAGS, summary: 'Entities that were changed past the manager' }
  app.get('/v1/drift', { config: { access: 'viewer' }, schema }, async (_request, reply) => {
    if (readiness.readAt) reply.header('sluice-as-of', readiness.readAt.toISOString())
    const found = await drift.list()
    return {
      mode: settings.managerDrift,
      data: found.map(({ kind, detectedAt, acceptedAt, ...rest }) => ({
        ...{ kind: KINDS[kind].path, ...rest },
        ...{ found_at: detectedAt, accepted_at: acceptedAt },
      })),
    }
  })
}

function routeAccepting(app: App, { drift }: Parts): void {
  const schema = { tags: TAGS, summary: 'Take over what was changed', params: Key }
  app.post('/v1/drift/:kind/:id/accept', { config: EDITOR, schema }, async (request, reply) => {
    const { kind, id } = await foundAt(request.params, drift)
    await drift.accept(kind, id)
    return reply.status(202).send({ status: 'accepted' })
  })
}

function routeRestoring(app: App, parts: Parts): void {
  const schema = { tags: TAGS, summary: 'Put back what was changed', params: Key, querystring: Irreversible }
  app.post('/v1/drift/:kind/:id/restore', { config: EDITOR, schema }, async (request, reply) => {
    if ('dry_run' in request.query)
      throw new Problem(
        'SLUICE_MANAGER_MALFORMED',
        'dry_run is not for restoring: GET /v1/drift shows what would be put back',
      )
    const { changes, drift } = parts
    const found = await foundAt(request.params, drift)
    changes.refuseWhereReadOnly()
    const { kind, id } = found
    const operation = restoreOperation(found, await knownOf(found, parts), changes.now())
    // Under which upstream a target is found is known once it was taken over.
    if (found.action === 'created' && KINDS[kind].within !== undefined) await drift.accept(kind, id)
    const asked = {
      operations: [operation],
      acceptsIrreversible: request.query.irreversible === 'accept',
      role: operatorOf(request).role,
    }
    return submitChange(parts, { request, reply }, asked, { isPastMirror: true })
  })
}

/** @throws Problem where none is reported. */
async function foundAt({ kind: path, id }: Static<typeof Key>, drift: DriftStore): Promise<FoundDrift> {
  const kind = KIND_NAMES.find(name => KINDS[name].path === path)
  const found = kind && isUuid(id) ? await drift.find(kind, id) : undefined
  if (found) return found
  throw new Problem('SLUICE_MANAGER_NOT_FOUND', `no drift of ${path} ${JSON.stringify(id)} is reported`)
}

/** The entity as the manager knows it, with its secrets. */
async function knownOf({ kind, id }: FoundDrift, parts: Parts): Promise<Current | undefined> {
  const { mirror, schemas } = parts
  const row = await mirror.find(kind, id)
  if (!row) return undefined
  const names = kind === 'plugins' || kind === 'vaults' ? { [kind]: [String(row.name)] } : {}
  const fields = normaliseCurrent(kind, row, await schemas.with(names))
  const expiresAt = await mirror.expiryOf(kind, id)
  return { ...{ kind, id, row, fields, tags: [] }, ...(expiresAt !== undefined && { expiresAt }) }
}
