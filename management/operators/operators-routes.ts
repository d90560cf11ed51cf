import { type Static, Type } from '../../foundation/typebox.ts'
import { operatorOf, ROLES } from '../http/access.ts'
import { Problem } from '../http/problem.ts'
import type { App, Module, Parts } from '../module.ts'
import type { OperatorRow } from './operators.ts'
import { LONGEST_PASSWORD } from './passwords.ts'
import { refusePassword } from './session-routes.ts'

const ALL = '/v1/operators'
const ONE = `${ALL}/:name`
const ADMIN = { access: 'admin' } as const
const TAGS = ['operators']

const Role = Type.Union(ROLES.map(role => Type.Literal(role)))
const Name = Type.Object({ name: Type.String() })
const Password = Type.String({ minLength: 1, maxLength: LONGEST_PASSWORD })

const NewOperator = Type.Object(
  {
    name: Type.String({
      pattern: '^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$',
      description: 'letters, digits and `._@+-`; case does not matter',
    }),
    role: Role,
    password: Type.Optional(Password),
  },
  { additionalProperties: false },
)

const OperatorChange = Type.Object(
  { role: Type.Optional(Role), password: Type.Optional(Password) },
  { additionalProperties: false, minProperties: 1 },
)

const ShownOperator = Type.Object({
  id: Type.String(),
  name: Type.String(),
  role: Type.String(),
  created_at: Type.String(),
  disabled_at: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
  has_password: Type.Boolean(),
})

/** Who may use the manager; for admins. */
export const operatorsRoutes: Module = (app, parts) => {
  routeList(app, parts)
  routeAdding(app, parts)
  routeChange(app, parts)
  routeDisabling(app, parts)
}

function routeList(app: App, { access: { operators } }: Parts): void {
  const response = { 200: Type.Object({ data: Type.Array(ShownOperator) }) }
  app.get(
    ALL,
    { config: ADMIN, schema: { tags: TAGS, summary: 'All operators, disabled ones too', response } },
    async () => ({ data: (await operators.list()).map(shown) }),
  )
}

function routeAdding(app: App, { access: { operators, passwords, trail } }: Parts): void {
  const response = { 201: ShownOperator }
  app.post(
    ALL,
    { config: ADMIN, schema: { tags: TAGS, summary: 'Add an operator', body: NewOperator, response } },
    async (request, reply) => {
      const { name, role, password } = request.body as Static<typeof NewOperator>
      if (password !== undefined) refusePassword(password, name, '/password')
      const hash = password === undefined ? undefined : await passwords.hash(password)
      const row = await operators.add(name, role, hash)
      await trail.operatorChanged(operatorOf(request).name, row.name, 'added', role)
      return reply
        .status(201)
        .header('location', `${ALL}/${encodeURIComponent(row.name)}`)
        .send(shown(row))
    },
  )
}

function routeChange(app: App, { access: { operators, passwords, trail } }: Parts): void {
  const summary = "Change an operator's role or password; the sessions end"
  const response = { 200: ShownOperator }
  app.patch(
    ONE,
    { config: ADMIN, schema: { tags: TAGS, summary, params: Name, body: OperatorChange, response } },
    async request => {
      const { role, password } = request.body as Static<typeof OperatorChange>
      const actor = operatorOf(request).name
      const { name, disabledAt } = await operators.find(request.params.name)
      if (disabledAt) throw new Problem('SLUICE_MANAGER_CONFLICT', `${name} is disabled`)
      if (password !== undefined) refusePassword(password, name, '/password')
      if (role !== undefined) {
        await operators.setRole(name, role)
        await trail.operatorChanged(actor, name, 'role', role)
      }
      if (password !== undefined) {
        await operators.setPassword(name, await passwords.hash(password))
        await trail.operatorChanged(actor, name, 'password')
      }
      return shown(await operators.find(name))
    },
  )
}

function routeDisabling(app: App, { access: { operators, trail } }: Parts): void {
  const summary = 'Disable an operator for good, with tokens and sessions'
  app.delete(
    ONE,
    { config: ADMIN, schema: { tags: TAGS, summary, params: Name } },
    async (request, reply) => {
      const { name } = await operators.find(request.params.name)
      if (await operators.disable(name))
        await trail.operatorChanged(operatorOf(request).name, name, 'disabled')
      return reply.status(204).send()
    },
  )
}

const shown = ({ id, name, role, createdAt, disabledAt, hasPassword }: OperatorRow) => ({
  id,
  name,
  role,
  created_at: createdAt.toISOString(),
  disabled_at: disabledAt?.toISOString() ?? null,
  has_password: hasPassword,
})
