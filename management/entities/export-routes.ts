import { Type } from '../../foundation/typebox.ts'
import { dumpState } from '../../kong/reconcile/dump.ts'
import { normaliseCurrent } from '../../kong/reconcile/normalise.ts'
import type { CurrentState } from '../../kong/reconcile/read.ts'
import type { Schemas } from '../../kong/reconcile/schemas.ts'
import type { ShownRow } from '../mirror/store.ts'
import type { Module } from '../module.ts'

const Query = Type.Object(
  {
    select_tag: Type.Optional(
      Type.String({ minLength: 1, description: 'only entities with all of these tags; comma-separated' }),
    ),
  },
  { additionalProperties: false },
)

/** All that Kong holds as a file in decK's format, out of the mirror. */
export const exportRoutes: Module = (app, { mirror, schemas, readiness }) => {
  app.get(
    '/v1/export',
    {
      config: { access: 'viewer' },
      schema: {
        tags: ['changes'],
        summary: 'kong.yaml; secrets are references to the environment',
        querystring: Query,
        produces: ['application/yaml'],
      },
    },
    async (request, reply) => {
      const selectTags = (request.query.select_tag ?? '').split(',').filter(tag => tag !== '')
      const rows = await mirror.shownRows()
      const namesOf = (kind: string) => rows.flatMap(one => (one.kind === kind ? [String(one.row.name)] : []))
      const known = await schemas.with({ plugins: namesOf('plugins'), vaults: namesOf('vaults') })
      const { yaml, variables } = dumpState(stateOf(rows, known), { selectTags, withSecrets: false })
      const head = variables.length > 0 ? `# Secrets are left out: set ${variables.join(', ')}.\n` : ''
      if (readiness.readAt) reply.header('sluice-as-of', readiness.readAt.toISOString())
      return reply.type('application/yaml; charset=utf-8').send(head + yaml)
    },
  )
}

const stateOf = (rows: readonly ShownRow[], schemas: Schemas): CurrentState => ({
  schemas,
  isDbLess: false,
  entities: rows.map(({ kind, id, row }) => ({
    ...{ kind, id, row },
    fields: normaliseCurrent(kind, row, schemas),
    tags: (row.tags as readonly string[] | null | undefined) ?? [],
  })),
})
