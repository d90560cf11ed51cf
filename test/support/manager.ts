import path from 'node:path'
import { systemClock } from '../../foundation/clock.ts'
import type { Environment } from '../../foundation/environment.ts'
import { createLogger } from '../../foundation/log.ts'
import { readSettings } from '../../foundation/settings.ts'
import type { Role } from '../../management/http/access.ts'
import { type Manager, type ManagerOptions, openDatabase, startManager } from '../../management/manager.ts'
import { Operators } from '../../management/operators/operators.ts'
import { newKeyLine } from '../../management/sealer.ts'
import { makeFolder } from './folder.ts'
import { sharedPostgres, sharedRedis } from './services.ts'
import { until } from './until.ts'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  /** Parsed where it is JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: assertions look into it, and fail where something else is there
  readonly body: Record<string, any>
  readonly text: string
}

export interface RunningManager {
  readonly url: string
  readonly env: Environment
  /** Of an operator with each role. */
  readonly tokens: Readonly<Record<Role, string>>
  /** Calls the API as an admin. */
  call(method: string, path: string, body?: unknown, options?: CallOptions): Promise<Answer>
  close(): Promise<void>
}

export interface CallOptions {
  /** Empty: none is sent. */
  readonly token?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** The settings of a manager with a database and folders of its own. @param env more variables */
export async function managerEnvironment(env: Environment = {}) {
  const folder = makeFolder()
  const postgresUrl = env.SLUICE_MANAGER_POSTGRES_URL ?? (await (await sharedPostgres()).createDatabase())
  return {
    env: {
      SLUICE_MANAGER_LISTEN: '127.0.0.1:0',
      SLUICE_MANAGER_POSTGRES_URL: postgresUrl,
      SLUICE_MANAGER_SPOOL_DIR: path.join(folder.path, 'spool'),
      SLUICE_MANAGER_KEY: newKeyLine(Date.now()),
      SLUICE_LOG_LEVEL: process.env.SLUICE_TEST_LOG_LEVEL ?? 'silent',
      ...env,
    },
    remove: () => folder.remove(),
  }
}

/** A manager in this process, with an operator of each role. */
export async function startTestManager(
  extra: Environment = {},
  options: ManagerOptions = {},
): Promise<RunningManager> {
  const { env, remove } = await managerEnvironment(extra)
  const settings = readSettings(env)
  const manager: Manager = await startManager(settings, { log: createLogger(settings.logLevel), ...options })
  const tokens = await addOperators(env)
  return {
    url: manager.url,
    env,
    tokens,
    call: (method, path, body, options) =>
      callManager(manager.url, { token: tokens.admin, ...options }, method, path, body),
    async close() {
      await manager.close()
      remove()
    },
  }
}

/** As `startTestManager`, with a mirror that shows what Kong has. */
export async function startFilledManager(
  ...args: Parameters<typeof startTestManager>
): Promise<RunningManager> {
  const manager = await startTestManager(...args)
  await until('the mirror is filled', async () => (await manager.call('GET', '/readyz')).status === 200)
  return manager
}

/** The settings of a manager that offers all it has: audit, events, limits, breakers and the cache. */
export async function wholeEnvironment(kongUrl: string): Promise<Environment> {
  const url = await (await sharedPostgres()).createDatabase()
  return {
    SLUICE_ADMIN_URL: kongUrl,
    SLUICE_MANAGER_POSTGRES_URL: url,
    SLUICE_POSTGRES_URL: url,
    SLUICE_FINGERPRINT_SECRET: 'a secret for fingerprints of keys, long enough',
    SLUICE_REDIS_URL: (await sharedRedis()).url,
  }
}

/** @returns a token of each */
export async function addOperators(env: Environment): Promise<Record<Role, string>> {
  const database = openDatabase(readSettings(env), createLogger('silent'))
  try {
    await database.migrate()
    const operators = new Operators(database, systemClock)
    const make = async (role: Role) => {
      await operators.add(role, role)
      return operators.addToken(role, 'test', null)
    }
    return { viewer: await make('viewer'), editor: await make('editor'), admin: await make('admin') }
  } finally {
    await database.close()
  }
}

export async function callManager(
  url: string,
  { token, headers }: CallOptions,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(token && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    // A stopped manager answers nothing.
    signal: AbortSignal.timeout(30_000),
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  const isJson = /json/.test(response.headers.get('content-type') ?? '')
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : {}, text }
}
