import { type Static, Type } from '../../foundation/typebox.ts'
import { isUuid } from '../../foundation/uuid.ts'
import { operatorOf } from '../http/access.ts'
import { Problem } from '../http/problem.ts'
import type { Module } from '../module.ts'
import type { TokenRow } from './operators.ts'

const DAY_MS = 86_400_000
const LONGEST_DAYS = 3_650
const nullable = Type.Unsafe<string | null>({ type: ['string', 'null'] })

const NewToken = Type.Object(
  {
    operator: Type.String({ minLength: 1 }),
    name: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$' }),
    days: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: LONGEST_DAYS,
        description: 'how long it is good; for ever where left out',
      }),
    ),
  },
  { additionalProperties: false },
)

const fields = {
  id: Type.String(),
  operator: Type.String(),
  name: Type.String(),
  created_at: Type.String(),
  expires_at: nullable,
  last_used_at: nullable,
  revoked_at: nullable,
}
const ShownToken = Type.Object(fields)
const MadeToken = Type.Object({ ...fields, token: Type.String({ description: 'shown this once' }) })

/** Tokens of operators; for admins. */
export const tokenRoutes: Module = (app, { access: { operators, trail }, clock }) => {
  const config = { access: 'admin' } as const
  const tags = ['tokens']
  app.get(
    '/v1/tokens',
    {
      config,
      schema: {
        tags,
        summary: 'All tokens, without their text',
        response: { 200: Type.Object({ data: Type.Array(ShownToken) }) },
      },
    },
    async () => ({ data: (await operators.listTokens()).map(shown) }),
  )
  app.post(
    '/v1/tokens',
    { config, schema: { tags, summary: 'Make a token', body: NewToken, response: { 201: MadeToken } } },
    async (request, reply) => {
      const { operator, name, days } = request.body as Static<typeof NewToken>
      const expiresAt = days === undefined ? null : new Date(clock.now() + days * DAY_MS)
      const made = await operators.issueToken(operator, name, expiresAt)
      await trail.tokenChanged(operatorOf(request).name, made.operator, name, 'made')
      return reply
        .status(201)
        .header('cache-control', 'no-store')
        .send({ ...shown(made), token: made.token })
    },
  )
  app.delete(
    '/v1/tokens/:id',
    { config, schema: { tags, summary: 'Revoke a token', params: Type.Object({ id: Type.String() }) } },
    async (request, reply) => {
      const { id } = request.params
      const found = isUuid(id) ? await operators.revokeTokenById(id) : undefined
      if (!found)
        throw new Problem(
          'SLUICE_MANAGER_NOT_FOUND',
          `there is no token ${JSON.stringify(id)} that is not revoked`,
        )
      await trail.tokenChanged(operatorOf(request).name, found.operator, found.name, 'revoked')
      return reply.status(204).send()
    },
  )
}

const shown = (row: TokenRow) => ({
  id: row.id,
  operator: row.operator,
  name: row.name,
  created_at: row.createdAt.toISOString(),
  expires_at: row.expiresAt?.toISOString() ?? null,
  last_used_at: row.lastUsedAt?.toISOString() ?? null,
  revoked_at: row.revokedAt?.toISOString() ?? null,
})
