import { Type } from '../../foundation/typebox.ts'
import { isUuid } from '../../foundation/uuid.ts'
import { KIND_NAMES, KINDS } from '../../kong/reconcile/kinds.ts'
import { Problem } from '../http/problem.ts'
import type { Module } from '../module.ts'

const Key = Type.Object({
  kind: Type.String({ description: 'as in the paths of entities: services, key-auths' }),
  id: Type.String(),
})

/** What was changed past the manager, where SLUICE_MANAGER_DRIFT=report. */
export const driftRoutes: Module = (app, { drift, readiness, settings }) => {
  const tags = ['drift']
  app.get(
    '/v1/drift',
    {
      config: { access: 'viewer' },
      schema: { tags, summary: 'Entities that were changed past the manager' },
    },
    async (_request, reply) => {
      if (readiness.readAt) reply.header('sluice-as-of', readiness.readAt.toISOString())
      const found = await drift.list()
      return {
        mode: settings.managerDrift,
        data: found.map(({ kind, detectedAt, acceptedAt, ...rest }) => ({
          ...{ kind: KINDS[kind].path, ...rest },
          ...{ found_at: detectedAt, accepted_at: acceptedAt },
        })),
      }
    },
  )
  app.post(
    '/v1/drift/:kind/:id/accept',
    {
      config: { access: 'editor' },
      schema: { tags, summary: 'Take over what was changed', params: Key },
    },
    async (request, reply) => {
      const { kind: path, id } = request.params
      const kind = KIND_NAMES.find(name => KINDS[name].path === path)
      if (!kind || !isUuid(id) || !(await drift.accept(kind, id)))
        throw new Problem('SLUICE_MANAGER_NOT_FOUND', `no drift of ${path} ${JSON.stringify(id)} is reported`)
      return reply.status(202).send({ status: 'accepted' })
    },
  )
}
