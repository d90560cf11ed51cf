import { createHash, randomBytes, randomUUID } from 'node:crypto'
import pg from 'pg'
import { BoundedMap } from '../../foundation/bounded-map.ts'
import type { Clock } from '../../foundation/clock.ts'
import { SluiceError } from '../../foundation/errors.ts'
import type { Database, Queries } from '../database.ts'
import type { Operator, Role } from '../http/access.ts'

/** Before the random part, so that scanners for secrets find a token in a repository. */
const TOKEN_PREFIX = 'sluice_'
const TOKEN_BYTES = 32
/** How long an answer of the database is good: a revoked token ends within that. */
const KNOWN_FOR_MS = 1_000
const KNOWN_TOKENS = 10_000
const LAST_USE_EVERY_MS = 60_000

export interface OperatorRow {
  readonly id: string
  readonly name: string
  readonly role: Role
  readonly createdAt: Date
  readonly disabledAt: Date | null
  readonly hasPassword: boolean
}

export interface TokenRow {
  readonly id: string
  readonly name: string
  readonly operator: string
  readonly createdAt: Date
  readonly expiresAt: Date | null
  readonly lastUsedAt: Date | null
  readonly revokedAt: Date | null
}

/** What proves a login. */
export interface Credentials {
  readonly id: string
  readonly name: string
  readonly role: Role
  readonly password: string | null
}

/** A new token: the text is shown once and not kept. */
export interface IssuedToken extends TokenRow {
  readonly token: string
}

interface Known {
  readonly operator: Operator | undefined
  readonly untilMs: number
}

/** Operators and their tokens, in PostgreSQL. */
export class Operators {
  readonly #database: Database
  readonly #clock: Clock
  readonly #known = new BoundedMap<Known>(KNOWN_TOKENS)
  readonly #usedAtMs = new BoundedMap<number>(KNOWN_TOKENS)

  constructor(database: Database, clock: Clock) {
    this.#database = database
    this.#clock = clock
  }

  /** @throws SluiceError SLUICE_MANAGER_CONFLICT where the name is taken. */
  async add(name: string, role: Role, password?: string): Promise<OperatorRow> {
    const id = randomUUID()
    await this.#unique(`there is an operator ${JSON.stringify(name)} already`, () =>
      this.#database.query(
        'insert into sluice_manager.operators (id, name, role, password) values ($1, $2, $3, $4)',
        [id, name, role, password ?? null],
      ),
    )
    return this.find(name)
  }

  async list(): Promise<readonly OperatorRow[]> {
    const { rows } = await this.#database.query<OperatorRow>(`${SELECT_OPERATORS} order by name`)
    return rows
  }

  /** @throws SluiceError SLUICE_MANAGER_NOT_FOUND */
  async find(name: string): Promise<OperatorRow> {
    const { rows } = await this.#database.query<OperatorRow>(
      `${SELECT_OPERATORS} where lower(name) = lower($1)`,
      [name],
    )
    const [row] = rows
    if (!row) throw noOperator(name)
    return row
  }

  /** Of an operator who is not disabled. */
  async credentials(name: string): Promise<Credentials | undefined> {
    const { rows } = await this.#database.query<Credentials>(
      `select id, name, role, password from sluice_manager.operators
        where lower(name) = lower($1) and disabled_at is null`,
      [name],
    )
    return rows[0]
  }

  /**
   * Sets the password, and ends the sessions.
   *
   * @param password as `Passwords.hash` makes it.
   */
  async setPassword(name: string, password: string): Promise<void> {
    await this.#database.transaction(async client => {
      const { rows } = await client.query<{ id: string }>(
        `update sluice_manager.operators set password = $2, password_changed_at = now()
          where lower(name) = lower($1) and disabled_at is null returning id`,
        [name, password],
      )
      const [row] = rows
      if (!row) throw noOperator(name)
      await endSessions(client, row.id)
    })
  }

  /**
   * Changes what an operator may; the sessions end, so that each begins with the role it has.
   *
   * @throws SluiceError SLUICE_MANAGER_NOT_FOUND, SLUICE_MANAGER_CONFLICT where no admin would be left.
   */
  async setRole(name: string, role: Role): Promise<void> {
    await this.#keepingAnAdmin(async client => {
      const { rows } = await client.query<{ id: string }>(
        `update sluice_manager.operators set role = $2
          where lower(name) = lower($1) and disabled_at is null returning id`,
        [name, role],
      )
      const [row] = rows
      if (!row) throw noOperator(name)
      await endSessions(client, row.id)
    })
    this.#known.clear()
  }

  /**
   * Makes a token of an operator.
   *
   * @param expiresAt null: never.
   * @returns the token itself, which is not kept.
   */
  async addToken(operator: string, name: string, expiresAt: Date | null): Promise<string> {
    return (await this.issueToken(operator, name, expiresAt)).token
  }

  /** The same, with all that is known of the token. */
  async issueToken(operator: string, name: string, expiresAt: Date | null): Promise<IssuedToken> {
    const { id: operatorId, name: owner, disabledAt } = await this.find(operator)
    if (disabledAt) throw new SluiceError('SLUICE_MANAGER_CONFLICT', `${owner} is disabled`)
    const [id, token] = [randomUUID(), `${TOKEN_PREFIX}${randomBytes(TOKEN_BYTES).toString('base64url')}`]
    await this.#unique(`${owner} has a token ${JSON.stringify(name)} already`, () =>
      this.#database.query(
        'insert into sluice_manager.tokens (id, operator_id, name, digest, expires_at) values ($1, $2, $3, $4, $5)',
        [id, operatorId, name, digestOf(token), expiresAt],
      ),
    )
    const createdAt = new Date(this.#clock.now())
    return { id, name, operator: owner, createdAt, expiresAt, lastUsedAt: null, revokedAt: null, token }
  }

  async listTokens(): Promise<readonly TokenRow[]> {
    const { rows } = await this.#database.query<TokenRow>(
      `select t.id, t.name, o.name as operator, t.created_at as "createdAt", t.expires_at as "expiresAt",
              t.last_used_at as "lastUsedAt", t.revoked_at as "revokedAt"
         from sluice_manager.tokens t join sluice_manager.operators o on o.id = t.operator_id
        order by o.name, t.name`,
    )
    return rows
  }

  /** Whether there was such a token that was not revoked yet. */
  async revokeToken(operator: string, name: string): Promise<boolean> {
    const { rowCount } = await this.#database.query(
      `update sluice_manager.tokens t set revoked_at = now() from sluice_manager.operators o
        where o.id = t.operator_id and lower(o.name) = lower($1) and t.name = $2 and t.revoked_at is null`,
      [operator, name],
    )
    return (rowCount ?? 0) > 0
  }

  /** @returns whose token it was, and its name; undefined where there is no such token that was not revoked yet. */
  async revokeTokenById(id: string): Promise<{ operator: string; name: string } | undefined> {
    const { rows } = await this.#database.query<{ operator: string; name: string }>(
      `update sluice_manager.tokens t set revoked_at = now() from sluice_manager.operators o
        where o.id = t.operator_id and t.id = $1 and t.revoked_at is null returning o.name as operator, t.name`,
      [id],
    )
    this.#known.clear()
    return rows[0]
  }

  /**
   * Whether there was such an operator who was not disabled yet. Sessions end with it.
   *
   * @throws SluiceError SLUICE_MANAGER_CONFLICT where no admin would be left.
   */
  async disable(name: string): Promise<boolean> {
    const isDone = await this.#keepingAnAdmin(async client => {
      const { rows } = await client.query<{ id: string }>(
        `update sluice_manager.operators set disabled_at = now()
          where lower(name) = lower($1) and disabled_at is null returning id`,
        [name],
      )
      const [row] = rows
      if (row) await endSessions(client, row.id)
      return row !== undefined
    })
    this.#known.clear()
    return isDone
  }

  /** Who bears a token; undefined where nobody does. */
  async byToken(token: string): Promise<Operator | undefined> {
    const digest = digestOf(token)
    const key = digest.toString('latin1')
    const known = this.#known.get(key)
    if (known && known.untilMs > this.#clock.monotonic()) return known.operator
    const { rows } = await this.#database.query<Operator & { tokenId: string }>(TOKEN_OWNER, [digest])
    const [row] = rows
    const operator = row && ({ id: row.id, name: row.name, role: row.role, via: 'token' } as const)
    this.#known.set(key, { operator, untilMs: this.#clock.monotonic() + KNOWN_FOR_MS })
    if (row) this.#noteUse(row.tokenId)
    return operator
  }

  #noteUse(tokenId: string): void {
    const nowMs = this.#clock.monotonic()
    if (nowMs - (this.#usedAtMs.get(tokenId) ?? Number.NEGATIVE_INFINITY) < LAST_USE_EVERY_MS) return
    this.#usedAtMs.set(tokenId, nowMs)
    // Nobody waits for it, and it is noted again with the next use.
    this.#database
      .query('update sluice_manager.tokens set last_used_at = now() where id = $1', [tokenId])
      .catch(() => {})
  }

  /** Nobody could make an admin any more but on the command line. */
  #keepingAnAdmin<T>(work: (client: Queries) => Promise<T>): Promise<T> {
    return this.#database.transaction(async client => {
      const admins = async () => {
        const { rows } = await client.query<{ id: string }>(ADMINS)
        return rows.length
      }
      const before = await admins()
      const result = await work(client)
      if (before > 0 && (await admins()) === 0)
        throw new SluiceError(
          'SLUICE_MANAGER_CONFLICT',
          'the last admin can neither be disabled nor get another role',
        )
      return result
    })
  }

  async #unique(message: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (error instanceof pg.DatabaseError && error.code === '23505')
        throw new SluiceError('SLUICE_MANAGER_CONFLICT', message)
      throw error
    }
  }
}

const noOperator = (name: string) =>
  new SluiceError('SLUICE_MANAGER_NOT_FOUND', `there is no operator ${JSON.stringify(name)}`)

export const endSessions = (client: Queries, operatorId: string) =>
  client.query('delete from sluice_manager.sessions where operator_id = $1', [operatorId])

/** Locked, so that two admins do not take the role from each other at once. */
const ADMINS = `select id from sluice_manager.operators where role = 'admin' and disabled_at is null order by id for update`

const SELECT_OPERATORS = `select id, name, role, created_at as "createdAt", disabled_at as "disabledAt",
  password is not null as "hasPassword" from sluice_manager.operators`

const TOKEN_OWNER = {
  name: 'token-owner',
  text: `select o.id, o.name, o.role, t.id as "tokenId"
    from sluice_manager.tokens t join sluice_manager.operators o on o.id = t.operator_id
    where t.digest = $1 and t.revoked_at is null and (t.expires_at is null or t.expires_at > now())
      and o.disabled_at is null`,
}

export const digestOf = (secret: string): Buffer => createHash('sha256').update(secret).digest()
