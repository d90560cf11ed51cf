import { randomBytes, randomUUID } from 'node:crypto'
import type { Database, Queries } from '../database.ts'
import type { Operator, Role } from '../http/access.ts'
import { type Credentials, digestOf, endSessions } from './operators.ts'

const SECRET_BYTES = 32
const LASTS = "interval '12 hours'"
const LONGEST_AGENT = 200
/** Sessions of one operator; the oldest ends where another one begins. */
const MOST_SESSIONS = 20

export interface Session {
  readonly id: string
  readonly operator: Operator
  /** What unsafe requests must bear in a header. */
  readonly csrf: string
  readonly expiresAt: Date
}

/** A new session with its secret, which is not kept. */
export interface IssuedSession extends Session {
  readonly secret: string
}

export interface SessionRow {
  readonly id: string
  readonly operator: string
  readonly createdAt: Date
  readonly expiresAt: Date
  readonly address: string
  readonly agent: string
}

/** Where a session is used. */
export interface Client {
  readonly address: string
  readonly agent: string
}

type Account = Pick<Operator, 'id' | 'name' | 'role'>

/** Sessions of browsers, in PostgreSQL: only ids that were issued here count, and an end holds at once everywhere. */
export class Sessions {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** @returns undefined where the operator has another password since it was proved, or is disabled. */
  async issue(account: Credentials, client: Client): Promise<IssuedSession | undefined> {
    return this.#database.transaction(async queries => {
      const { rowCount } = await queries.query(STILL_PROVED, [account.id, account.password])
      if (rowCount === 0) return undefined
      await queries.query('delete from sluice_manager.sessions where expires_at <= now()')
      await queries.query(OLDEST_BEYOND, [account.id, MOST_SESSIONS - 1])
      return insert(queries, account, client)
    })
  }

  /**
   * Sets another password, ends all sessions of the operator, and begins a new one.
   *
   * @param password as `Passwords.hash` makes it.
   * @returns undefined where the operator has another password since it was proved, or is disabled.
   */
  async changePassword(
    account: Credentials,
    password: string,
    client: Client,
  ): Promise<IssuedSession | undefined> {
    return this.#database.transaction(async queries => {
      const { rowCount } = await queries.query(REPLACE_PASSWORD, [account.id, account.password, password])
      if (rowCount === 0) return undefined
      await endSessions(queries, account.id)
      return insert(queries, account, client)
    })
  }

  /** Undefined for a secret that was not issued here, has expired or was ended. */
  async bySecret(secret: string): Promise<Session | undefined> {
    const { rows } = await this.#database.query<SessionOwner>(SESSION_OWNER, [digestOf(secret)])
    const [row] = rows
    if (!row) return undefined
    const { sessionId, csrf, expiresAt, ...account } = row
    return { id: sessionId, csrf, expiresAt, operator: { ...account, via: 'session', sessionId } }
  }

  /** @param operatorId undefined: of all operators. */
  async list(operatorId?: string): Promise<readonly SessionRow[]> {
    const { rows } = await this.#database.query<SessionRow>(
      `select s.id, o.name as operator, s.created_at as "createdAt", s.expires_at as "expiresAt", s.address, s.agent
         from sluice_manager.sessions s join sluice_manager.operators o on o.id = s.operator_id
        where s.expires_at > now() and ($1::uuid is null or o.id = $1)
        order by s.created_at desc`,
      [operatorId ?? null],
    )
    return rows
  }

  /**
   * Ends a session.
   *
   * @param operatorId undefined: whosoever it is.
   * @returns the name of its operator; undefined where there is no such session.
   */
  async end(id: string, operatorId?: string): Promise<string | undefined> {
    const { rows } = await this.#database.query<{ name: string }>(
      `delete from sluice_manager.sessions s using sluice_manager.operators o
        where o.id = s.operator_id and s.id = $1 and ($2::uuid is null or o.id = $2) returning o.name`,
      [id, operatorId ?? null],
    )
    return rows[0]?.name
  }
}

interface SessionOwner {
  readonly sessionId: string
  readonly csrf: string
  readonly expiresAt: Date
  readonly id: string
  readonly name: string
  readonly role: Role
}

async function insert(
  queries: Queries,
  { id, name, role }: Account,
  { address, agent }: Client,
): Promise<IssuedSession> {
  const [sessionId, secret, csrf] = [randomUUID(), newSecret(), newSecret()]
  const { rows } = await queries.query<{ expiresAt: Date }>(
    `insert into sluice_manager.sessions (id, digest, operator_id, csrf, expires_at, address, agent)
     values ($1, $2, $3, $4, now() + ${LASTS}, $5, $6) returning expires_at as "expiresAt"`,
    [sessionId, digestOf(secret), id, csrf, address, agent.slice(0, LONGEST_AGENT)],
  )
  const [row] = rows
  if (!row) throw new Error('an insert returned no row')
  const operator: Operator = { id, name, role, via: 'session', sessionId }
  return { id: sessionId, operator, csrf, expiresAt: row.expiresAt, secret }
}

const newSecret = (): string => randomBytes(SECRET_BYTES).toString('base64url')

const SESSION_OWNER = {
  name: 'session-owner',
  text: `select s.id as "sessionId", s.csrf, s.expires_at as "expiresAt", o.id, o.name, o.role
    from sluice_manager.sessions s join sluice_manager.operators o on o.id = s.operator_id
    where s.digest = $1 and s.expires_at > now() and o.disabled_at is null`,
}

/** Who changes the password meanwhile waits, and then ends the session that begins here. */
const STILL_PROVED = `
  select from sluice_manager.operators where id = $1 and password = $2 and disabled_at is null for share`

const REPLACE_PASSWORD = `
  update sluice_manager.operators set password = $3, password_changed_at = now()
    where id = $1 and password = $2 and disabled_at is null`

const OLDEST_BEYOND = `
  delete from sluice_manager.sessions where id in (
    select id from sluice_manager.sessions where operator_id = $1 order by created_at desc offset $2)`
