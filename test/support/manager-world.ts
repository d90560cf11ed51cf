import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { systemClock } from '../../foundation/clock.ts'
import type { Environment } from '../../foundation/environment.ts'
import { AdminClient } from '../../kong/admin/client.ts'
import type { Timing } from '../../management/changes/timing.ts'
import type { Role } from '../../management/http/access.ts'
import { readKong } from '../../management/mirror/reading.ts'
import { KongSchemas } from '../../management/schemas.ts'
import { Sealer } from '../../management/sealer.ts'
import { type KillableKong, useKillableKong } from './killable-kong.ts'
import { addOperators, callManager, managerEnvironment } from './manager.ts'
import { type ManagerProcess, startManagerProcess } from './manager-process.ts'
import { borrowedPostgres, borrowedRabbit, type Service } from './services.ts'
import { until } from './until.ts'

/** One thing asked of the manager in a change. */
export type OperationBody = Readonly<Record<string, unknown>>

export interface Ended {
  /** Undefined where the change was never written down. */
  readonly state: string | undefined
  readonly detail: string | undefined
}

/** Kong without its times: it stamps the time of a change anew. */
export type Snapshot = ReadonlyMap<string, unknown>

/** Kong, PostgreSQL and RabbitMQ with managers over them, all of which can be killed. */
export class ManagerWorld {
  readonly kong: KillableKong
  readonly postgres: Service
  readonly rabbit: Service
  readonly managers: ManagerProcess[] = []
  readonly #env: Environment
  readonly #tokens: Readonly<Record<Role, string>>
  readonly #timing: Timing
  readonly #direct: AdminClient
  readonly #schemas: KongSchemas
  readonly #endings: (() => Promise<void> | void)[] = []

  private constructor(
    parts: Pick<ManagerWorld, 'kong' | 'postgres' | 'rabbit'>,
    env: Environment,
    tokens: Readonly<Record<Role, string>>,
    timing: Timing,
  ) {
    this.kong = parts.kong
    this.postgres = parts.postgres
    this.rabbit = parts.rabbit
    this.#env = env
    this.#tokens = tokens
    this.#timing = timing
    this.#direct = new AdminClient({ url: parts.kong.url })
    this.#schemas = new KongSchemas(this.#direct, systemClock)
  }

  static async start(timing: Timing): Promise<ManagerWorld> {
    const [kong, postgres, rabbit] = await Promise.all([
      useKillableKong(),
      borrowedPostgres(),
      borrowedRabbit(),
    ])
    const { env, remove } = await managerEnvironment({
      SLUICE_MANAGER_POSTGRES_URL: postgres.url,
      SLUICE_AMQP_URL: rabbit.url,
      SLUICE_ADMIN_URL: kong.faults.url,
    })
    const world = new ManagerWorld({ kong, postgres, rabbit }, env, await addOperators(env), timing)
    world.#endings.push(remove)
    return world
  }

  async startManager(): Promise<ManagerProcess> {
    const manager = await startManagerProcess(this.#env, this.#timing)
    this.managers.push(manager)
    return manager
  }

  /** Managers that run; those that were killed are forgotten. */
  running(): readonly ManagerProcess[] {
    return this.managers.filter(manager => manager.isRunning())
  }

  call(
    manager: ManagerProcess,
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ) {
    return callManager(manager.url, { token: this.#tokens.admin, headers }, method, path, body)
  }

  /** Sends a change and does not care about the answer, which may never come. @returns its idempotency key */
  submit(manager: ManagerProcess, operations: readonly OperationBody[]): string {
    const key = randomUUID()
    this.call(
      manager,
      'POST',
      '/v1/changes?irreversible=accept',
      { operations },
      { 'idempotency-key': key },
    ).catch(() => {})
    return key
  }

  /** Waits until a change has ended. One that is not there `graceMs` after it was sent never will be. */
  async ended(key: string, { graceMs = 3_000, waitMs = 120_000 } = {}): Promise<Ended> {
    const from = performance.now()
    let found: Ended | undefined
    await until(
      'the change has ended',
      async () => {
        const [row] = await this.query<{ state: string; detail: string | undefined }>(
          `select c.state, c.failure ->> 'detail' as detail from sluice_manager.changes c
             join sluice_manager.idempotency_keys k on k.change_id = c.id where k.key = $1`,
          [key],
        )
        if (!row && performance.now() - from < graceMs) return false
        found = { state: row?.state, detail: row?.detail }
        return !row || ['applied', 'refused', 'undone', 'stuck'].includes(row.state)
      },
      { waitMs, everyMs: 50 },
    )
    assert.ok(found)
    return found
  }

  /** With a connection of its own each time: PostgreSQL may be killed in between. */
  async query<R extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<R[]> {
    const client = new pg.Client({
      connectionString: this.postgres.url,
      connectionTimeoutMillis: 2_000,
      query_timeout: 5_000,
    })
    client.on('error', () => {})
    try {
      await client.connect()
      return (await client.query<R>(text, values)).rows
    } finally {
      await client.end().catch(() => {})
    }
  }

  /** Who holds the lease: the one that logs its fault points. */
  async holder(): Promise<ManagerProcess> {
    let holder: ManagerProcess | undefined
    await until('somebody holds the lease', async () => {
      for (const manager of this.running()) {
        const { body } = await this.call(manager, 'GET', '/readyz')
        if (
          body.status === 'ready' &&
          /^sluice_manager_holding 1$/m.test((await this.call(manager, 'GET', '/metrics')).text)
        )
          holder = manager
      }
      return holder !== undefined
    })
    assert.ok(holder)
    return holder
  }

  async #read() {
    return readKong(this.#direct, this.#schemas, new Sealer(String(this.#env.SLUICE_MANAGER_KEY)))
  }

  async snapshot(): Promise<Snapshot> {
    const { entities } = await this.#read()
    return new Map(
      entities
        .map(
          ({ kind, id, row: { created_at: _c, updated_at: _u, ...row } }) => [`${kind} ${id}`, row] as const,
        )
        .toSorted(([a], [b]) => (a < b ? -1 : 1)),
    )
  }

  /** Asserts that the mirror shows what Kong holds. */
  async assertMirrored(): Promise<void> {
    const { entities, mirroring } = await this.#read()
    const kong = entities.map(one => `${one.kind} ${one.id} ${mirroring.etagOf(one)}`).sort()
    const rows = await this.query<{ text: string }>(
      `select kind || ' ' || id || ' ' || etag as text from sluice_manager.entities`,
    )
    assert.deepEqual(rows.map(({ text }) => text).sort(), kong)
  }

  /** Asserts that Kong is in the state of one of the snapshots, and stays so for a while. */
  async assertState(expected: Snapshot, what: string): Promise<void> {
    assert.deepEqual([...(await this.snapshot())], [...expected], what)
    await this.assertMirrored()
  }

  async close(): Promise<void> {
    await Promise.all(this.running().map(manager => manager.end()))
    await this.#direct.close()
    await this.kong.close()
    for (const end of this.#endings) await end()
  }
}

export const pauseMs = (ms: number) => sleep(ms)
