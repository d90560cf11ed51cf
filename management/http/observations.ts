import { Type } from '../../foundation/typebox.ts'
import type { Module } from '../module.ts'

const Status = Type.Object({ status: Type.String(), problems: Type.Optional(Type.Array(Type.String())) })

/** For probes and Prometheus; without a token, as everywhere in Sluice. */
export const observationRoutes: Module = (app, { metrics, readiness, problems }) => {
  const config = { access: 'public' } as const
  const tags = ['observations']
  app.get(
    '/healthz',
    { config, schema: { summary: 'The process answers', tags, response: { 200: Status } } },
    async () => ({
      status: 'ok',
    }),
  )
  app.get(
    '/readyz',
    {
      config,
      schema: { summary: 'Changes and reads can be served', tags, response: { 200: Status, 503: Status } },
    },
    async (_, reply) => {
      const { blockers } = readiness
      const isReady = blockers.length === 0
      return reply.status(isReady ? 200 : 503).send({
        status: isReady ? 'ready' : 'not ready',
        problems: [...blockers, ...readiness.problems, ...problems()],
      })
    },
  )
  app.get(
    '/metrics',
    { config, schema: { summary: 'Metrics of Prometheus', tags, produces: ['text/plain'] } },
    async (_, reply) => {
      // The text ends with a line end, so that it is sent as it is.
      return reply.type('text/plain; version=0.0.4; charset=utf-8').send(await metrics.text())
    },
  )
}
