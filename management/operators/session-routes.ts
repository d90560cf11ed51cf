import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from '../../foundation/typebox.ts'
import { isUuid } from '../../foundation/uuid.ts'
import { hasRole, type Operator, operatorOf } from '../http/access.ts'
import { Problem } from '../http/problem.ts'
import type { App, Module, Parts } from '../module.ts'
import type { Credentials } from './operators.ts'
import { faultOf, LONGEST_PASSWORD } from './passwords.ts'
import type { IssuedSession, Session, SessionRow } from './sessions.ts'

const Password = Type.String({ minLength: 1, maxLength: LONGEST_PASSWORD })
const Login = Type.Object(
  { name: Type.String({ minLength: 1, maxLength: 200 }), password: Password },
  { additionalProperties: false },
)
const NewPassword = Type.Object({ current: Password, new: Password }, { additionalProperties: false })
const Id = Type.Object({ id: Type.String() })
const nullable = { type: ['string', 'null'] }

const WhoAmI = Type.Object({
  id: Type.Unsafe<string | null>({ ...nullable, description: 'of the session; null for a token' }),
  operator: Type.String(),
  role: Type.String(),
  via: Type.String({ description: '`session` or `token`' }),
  csrf: Type.Unsafe<string | null>({
    ...nullable,
    description: 'what `X-CSRF-Token` of unsafe requests must be; null for a token, which needs none',
  }),
  expires_at: Type.Unsafe<string | null>(nullable),
})

const ShownSession = Type.Object({
  id: Type.String(),
  operator: Type.String(),
  created_at: Type.String(),
  expires_at: Type.String(),
  address: Type.String(),
  agent: Type.String(),
  current: Type.Boolean({ description: 'it is the one that asks' }),
})

const TAGS = ['sessions']
const VIEWER = { access: 'viewer' } as const

/** Logging in and out with a browser. */
export const sessionRoutes: Module = (app, parts) => {
  new SessionRoutes(parts).register(app)
}

class SessionRoutes {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  register(app: App): void {
    this.#registerOwn(app)
    this.#registerAll(app)
  }

  #registerOwn(app: App): void {
    const response = { 200: WhoAmI }
    app.post(
      '/v1/session',
      { config: { access: 'public' }, schema: { tags: TAGS, summary: 'Log in', body: Login, response } },
      (request, reply) => this.#login(request, reply, request.body),
    )
    app.get(
      '/v1/session',
      { config: VIEWER, schema: { tags: TAGS, summary: 'Who asks', response } },
      request => this.#whoAmI(request),
    )
    app.delete(
      '/v1/session',
      { config: VIEWER, schema: { tags: TAGS, summary: 'Log out' } },
      (request, reply) => this.#logout(request, reply),
    )
    app.put(
      '/v1/session/password',
      { config: VIEWER, schema: { tags: TAGS, summary: 'Change my password', body: NewPassword, response } },
      (request, reply) => this.#changePassword(request, reply, request.body),
    )
  }

  #registerAll(app: App): void {
    const summary = 'My sessions; for an admin those of everybody'
    const response = { 200: Type.Object({ data: Type.Array(ShownSession) }) }
    app.get('/v1/sessions', { config: VIEWER, schema: { tags: TAGS, summary, response } }, request =>
      this.#list(operatorOf(request)),
    )
    app.delete(
      '/v1/sessions/:id',
      { config: VIEWER, schema: { tags: TAGS, summary: 'End a session', params: Id } },
      (request, reply) => this.#end(operatorOf(request), request.params.id, reply),
    )
  }

  async #login(request: FastifyRequest, reply: FastifyReply, given: { name: string; password: string }) {
    const { sessions, trail } = this.#parts.access
    this.#refuseOtherPages(request)
    const name = given.name.trim()
    const found = await this.#prove(name, given.password, request.ip)
    const session = found && (await sessions.issue(found, clientOf(request)))
    if (!session)
      throw new Problem('SLUICE_MANAGER_LOGIN', 'there is no such operator, or it has another password')
    await trail.loggedIn(session.operator, request.ip)
    return this.#answer(reply, session)
  }

  /** The route is public, so that nobody else looks. */
  #refuseOtherPages(request: FastifyRequest): void {
    const { browser, trail } = this.#parts.access
    try {
      browser.checkOrigin(request)
    } catch (error) {
      if (error instanceof Problem) trail.refused(request, error)
      throw error
    }
  }

  /** @returns undefined where the password is wrong. @throws Problem SLUICE_MANAGER_TOO_MANY */
  async #prove(name: string, password: string, address: string): Promise<Credentials | undefined> {
    const { operators, passwords, pace, trail } = this.#parts.access
    try {
      await pace.begin(name, address)
    } catch (error) {
      if (error instanceof Problem) await trail.loginSlowed(name, address)
      throw error
    }
    const found = await operators.credentials(name)
    const isRight = await passwords.verify(password, found?.password ?? null)
    if (!isRight || !found) {
      await trail.loginFailed(name, address)
      return undefined
    }
    await pace.succeeded(name, address)
    return found
  }

  async #whoAmI(request: FastifyRequest) {
    const operator = operatorOf(request)
    const { browser, sessions } = this.#parts.access
    const secret = operator.via === 'session' ? request.cookies[browser.cookieName] : undefined
    const session = secret === undefined ? undefined : await sessions.bySecret(secret)
    return shown(operator, session)
  }

  async #logout(request: FastifyRequest, reply: FastifyReply) {
    const { browser, sessions, trail } = this.#parts.access
    const { name, sessionId } = operatorOf(request)
    if (sessionId === undefined)
      throw new Problem('SLUICE_MANAGER_CONFLICT', 'a token is not logged in; revoke it under /v1/tokens')
    await sessions.end(sessionId)
    await trail.sessionEnded(name, name)
    browser.clearCookie(reply)
    return reply.status(204).send()
  }

  async #changePassword(
    request: FastifyRequest,
    reply: FastifyReply,
    given: { current: string; new: string },
  ) {
    const { sessions, passwords, trail } = this.#parts.access
    const { name, via } = operatorOf(request)
    if (via !== 'session')
      throw new Problem('SLUICE_MANAGER_CONFLICT', 'a token has no password; log in to change yours')
    refusePassword(given.new, name, '/new')
    const found = await this.#prove(name, given.current, request.ip)
    const session =
      found && (await sessions.changePassword(found, await passwords.hash(given.new), clientOf(request)))
    if (!session) throw new Problem('SLUICE_MANAGER_LOGIN', 'current: is not the present password')
    await trail.operatorChanged(name, name, 'password')
    return this.#answer(reply, session)
  }

  async #list(operator: Operator) {
    const isAdmin = hasRole(operator, 'admin')
    const rows = await this.#parts.access.sessions.list(isAdmin ? undefined : operator.id)
    return { data: rows.map(row => shownRow(row, operator)) }
  }

  async #end(operator: Operator, id: string, reply: FastifyReply) {
    const { sessions, trail } = this.#parts.access
    const ownerId = hasRole(operator, 'admin') ? undefined : operator.id
    const of = isUuid(id) ? await sessions.end(id, ownerId) : undefined
    if (of === undefined)
      throw new Problem('SLUICE_MANAGER_NOT_FOUND', `there is no session ${JSON.stringify(id)}`)
    await trail.sessionEnded(operator.name, of)
    return reply.status(204).send()
  }

  #answer(reply: FastifyReply, session: IssuedSession) {
    this.#parts.access.browser.setCookie(reply, session)
    void reply.header('cache-control', 'no-store')
    return shown(session.operator, session)
  }
}

/** @throws Problem SLUICE_MANAGER_INVALID */
export function refusePassword(password: string, name: string, pointer: string): void {
  const fault = faultOf(password, name)
  if (fault === undefined) return
  const detail = `${pointer.slice(1)}: ${fault}`
  throw new Problem('SLUICE_MANAGER_INVALID', detail, { faults: [{ pointer, code: 'password', detail }] })
}

const clientOf = ({ ip, headers }: FastifyRequest) => ({ address: ip, agent: headers['user-agent'] ?? '' })

const shown = ({ name, role, via }: Operator, session: Session | undefined) => ({
  id: session?.id ?? null,
  operator: name,
  role,
  via,
  csrf: session?.csrf ?? null,
  expires_at: session?.expiresAt.toISOString() ?? null,
})

const shownRow = (row: SessionRow, { sessionId }: Operator) => ({
  id: row.id,
  operator: row.operator,
  created_at: row.createdAt.toISOString(),
  expires_at: row.expiresAt.toISOString(),
  address: row.address,
  agent: row.agent,
  current: row.id === sessionId,
})
