import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { systemClock } from '../../foundation/clock.ts'
import type { Environment } from '../../foundation/environment.ts'
import { createLogger } from '../../foundation/log.ts'
import { readSettings } from '../../foundation/settings.ts'
import { TIMING } from '../../management/changes/timing.ts'
import type { Role } from '../../management/http/access.ts'
import { type Manager, openDatabase, startManager } from '../../management/manager.ts'
import { Operators } from '../../management/operators/operators.ts'
import { Passwords } from '../../management/operators/passwords.ts'
import { type Server, startServer } from '../../plugin-server/main.ts'
import { createDump } from '../../plugin-server/runtime/info.ts'
import type { AnyPlugin } from '../../plugin-server/runtime/registry.ts'
import { plugin as circuitBreaker } from '../../plugins/circuit-breaker/plugin.ts'
import { plugin as audit } from '../../plugins/key-auth-audit/plugin.ts'
import { plugin as qos } from '../../plugins/qos/plugin.ts'
import { plugin as responseCache } from '../../plugins/response-cache/plugin.ts'
import { type FaultyAdmin, startFaultyAdmin } from './faulty-admin.ts'
import { makeFolder } from './folder.ts'
import { type RunningGateway, startTestGateway } from './gateway.ts'
import { type Answer, type CallOptions, callManager, managerEnvironment } from './manager.ts'
import { borrowedRabbit, sharedPostgres, sharedRedis } from './services.ts'
import { until } from './until.ts'
import { startUpstream, type TestUpstream } from './upstream.ts'

const PLUGINS: readonly AnyPlugin[] = [circuitBreaker, audit, qos, responseCache]

/** Of every operator: each role has one, by its name. */
export const PASSWORD = 'correct horse battery'

export interface WorldOptions {
  /** Fills the gateway before the manager reads it. */
  readonly seed?: (gateway: RunningGateway, upstreamUrl: string) => Promise<void>
  /** Whether events come by RabbitMQ too, which takes longest to start; else by PostgreSQL alone. */
  readonly hasBroker?: boolean
  /** Whether what is changed past the manager is listed and not taken over; it is looked for all the time. */
  readonly reportsDrift?: boolean
}

/** Generous, since a busy machine must fail no change; but those that fail are checked for late writes for a moment only. */
const timing = { ...TIMING, leaseMs: 60_000, requestMs: 20_000, settle: { waitMs: 50, forMs: 100 } }

const REPORTS: Environment = { SLUICE_MANAGER_DRIFT: 'report' }
const often = { ...timing, driftEveryMs: 500, driftPauseFactor: 2 }

/** A busy machine loses the right to write some times before Kong is read. */
const READ_MS = 150_000

/** Again where PostgreSQL was too slow on a busy machine, or another process was given the port meanwhile. */
async function startWith(env: Environment): Promise<Manager> {
  const started: Manager[] = []
  const settings = readSettings(env)
  const parts = { log: createLogger('silent'), timing: settings.managerDrift === 'report' ? often : timing }
  await until('the manager starts', async () => {
    started.push(await startManager(settings, parts))
    return true
  })
  const [manager] = started
  if (!manager) throw new Error('the manager has not started')
  return manager
}

/** Gateway, plugin server, stores and manager, as the dashboard meets them. */
export class DashboardWorld {
  readonly gateway: RunningGateway
  readonly upstream: TestUpstream
  /** What the manager meets of Kong's Admin API. */
  readonly admin: FaultyAdmin
  /** Whether the upstream answers 500. */
  isFailing = false
  readonly #env: Environment
  readonly #token: string
  #manager: Manager
  readonly #endings: (() => Promise<void> | void)[]

  private constructor(parts: {
    gateway: RunningGateway
    upstream: TestUpstream
    admin: FaultyAdmin
    env: Environment
    token: string
    manager: Manager
    endings: (() => Promise<void> | void)[]
  }) {
    this.gateway = parts.gateway
    this.upstream = parts.upstream
    this.admin = parts.admin
    this.#env = parts.env
    this.#token = parts.token
    this.#manager = parts.manager
    this.#endings = parts.endings
  }

  static async start(options: WorldOptions = {}): Promise<DashboardWorld> {
    const endings: (() => Promise<void> | void)[] = []
    try {
      return await DashboardWorld.#start(options, endings)
    } catch (error) {
      for (const end of endings.reverse()) await end()
      throw error
    }
  }

  static async #start(
    { seed, hasBroker = false, reportsDrift = false }: WorldOptions,
    endings: (() => Promise<void> | void)[],
  ): Promise<DashboardWorld> {
    const [postgres, redis, rabbit] = await Promise.all([
      sharedPostgres(),
      sharedRedis(),
      hasBroker ? borrowedRabbit() : undefined,
    ])
    const stores = {
      SLUICE_POSTGRES_URL: await postgres.createDatabase(),
      SLUICE_REDIS_URL: redis.url,
      ...(rabbit && { SLUICE_AMQP_URL: rabbit.url }),
      SLUICE_FINGERPRINT_SECRET: 'a secret of the tests, long enough',
    }
    let world: DashboardWorld | undefined
    const upstream = await startUpstream((_request, response) => {
      response.writeHead(world?.isFailing ? 500 : 200, { 'content-type': 'text/plain' }).end('hello')
    })
    endings.push(() => upstream.close())
    const served = await servePlugins(stores)
    endings.push(() => served.close())
    const gateway = await startTestGateway(served.variables)
    endings.push(() => gateway.close())
    await seed?.(gateway, upstream.url)
    const admin = await startFaultyAdmin(gateway.adminUrl)
    endings.push(() => admin.close())
    const { env, remove } = await managerEnvironment({
      ...stores,
      SLUICE_MANAGER_POSTGRES_URL: stores.SLUICE_POSTGRES_URL,
      SLUICE_ADMIN_URL: admin.url,
      SLUICE_MANAGER_METRICS_URLS: `${served.metricsUrl},${gateway.adminUrl}/metrics`,
      SLUICE_MANAGER_ALLOW_UPSTREAMS: '127.0.0.0/8',
      ...(reportsDrift && REPORTS),
    })
    endings.push(remove)
    const token = await addOperatorsWithPasswords(env)
    const manager = await startWith(env)
    // The same address after a restart: what the browser knows stays good.
    const port = new URL(manager.url).port
    world = new DashboardWorld({
      gateway,
      upstream,
      admin,
      env: { ...env, SLUICE_MANAGER_LISTEN: `127.0.0.1:${port}` },
      token,
      manager,
      endings,
    })
    await world.#isReady().catch(async (error: unknown) => {
      await manager.close()
      throw error
    })
    return world
  }

  get url(): string {
    return this.#manager.url
  }

  /** Resolves when the manager has read the gateway. */
  #isReady(): Promise<void> {
    const isRead = async () => {
      const { status, headers } = await this.call('GET', '/v1/services')
      return status === 200 && headers.has('sluice-as-of')
    }
    return until('the manager has read the gateway', isRead, { waitMs: READ_MS, everyMs: 50 })
  }

  /** Calls the manager's API as an admin. */
  call(method: string, path: string, body?: unknown, options: CallOptions = {}): Promise<Answer> {
    return callManager(this.url, { token: this.#token, ...options }, method, path, body)
  }

  /** Ends the manager, runs `meanwhile`, and starts it again at the same address. */
  async restartManager(meanwhile: () => Promise<void>): Promise<void> {
    await this.#manager.close()
    try {
      await meanwhile()
    } finally {
      this.#manager = await startWith(this.#env)
    }
  }

  async close(): Promise<void> {
    await this.#manager.close()
    for (const end of this.#endings.reverse()) await end()
  }
}

/** Our plugins in a plugin server of this process, and what tells a gateway of them. */
async function servePlugins(stores: Environment) {
  const folder = makeFolder()
  const socket = path.join(folder.path, 'sluice.sock')
  const settings = readSettings({
    ...stores,
    SLUICE_SOCKET: socket,
    SLUICE_SPOOL_DIR: path.join(folder.path, 'spool'),
    SLUICE_HTTP: '127.0.0.1:0',
  })
  const server: Server = await startServer(settings, { plugins: PLUGINS, log: createLogger('silent') })
  const variables = PLUGINS.flatMap(plugin => {
    const dump = path.join(folder.path, `${plugin.name}.json`)
    writeFileSync(dump, JSON.stringify(createDump([plugin], 'ProtoBuf:1', socket)))
    const variable = `KONG_PLUGINSERVER_${plugin.name.replaceAll('-', '_').toUpperCase()}`
    return [
      [`${variable}_SOCKET`, socket],
      [`${variable}_QUERY_CMD`, `cat ${dump}`],
    ]
  })
  const names = PLUGINS.map(({ name }) => name)
  return {
    metricsUrl: `http://127.0.0.1:${server.httpPort}/metrics`,
    variables: {
      KONG_PLUGINS: ['bundled', ...names].join(','),
      KONG_PLUGINSERVER_NAMES: names.map(name => name.replaceAll('-', '_')).join(','),
      ...(Object.fromEntries(variables) as Record<string, string>),
    },
    async close() {
      await server.close()
      folder.remove()
    },
  }
}

/** One operator a role, called like it. @returns a token of the admin */
async function addOperatorsWithPasswords(env: Environment): Promise<string> {
  const database = openDatabase(readSettings(env), createLogger('silent'))
  try {
    await database.migrate()
    const operators = new Operators(database, systemClock)
    const hash = await new Passwords().hash(PASSWORD)
    const roles: readonly Role[] = ['viewer', 'editor', 'admin']
    for (const role of roles) await operators.add(role, role, hash)
    return await operators.addToken('admin', 'test', null)
  } finally {
    await database.close()
  }
}
