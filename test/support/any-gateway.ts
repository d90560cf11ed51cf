import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { kongSettings } from '../../cli/commands/kong-conf.ts'
import { freePorts } from '../../ops/local/ports.ts'
import { makeFolder } from './folder.ts'
import { startTestGateway } from './gateway.ts'
import { runSluice } from './run-sluice.ts'

/** A gateway that has Sluice's plugins configured, whoever made it. */
export interface AnyGateway {
  readonly name: string
  readonly adminUrl: string
  readonly proxyUrl: string
  /** Where it expects the plugin server. */
  readonly socket: string
  /** How the gateway reaches this machine. */
  readonly thisHost: string
  /** Its configuration is replaced as a whole, by `/config`. */
  readonly databaseLess: boolean
  /** Resolves when a change made by the Admin API is in force. */
  settle(): Promise<void>
  close(): Promise<void>
}

const PLUGINS = ['qos', 'circuit-breaker', 'key-auth-audit', 'sluice', 'response-cache', 'aggregate']
const IMAGE = 'kong:3.9'
/** Longer than Kong takes to hand a configuration to its workers. */
const SETTLE_MS = 5_000

/**
 * The gateway that `SLUICE_TEST_KONG_ADMIN_URL`, `_PROXY_URL` and `_SOCKET` name; a Kong in Docker with
 * `SLUICE_TEST_KONG=docker`; otherwise the local one.
 *
 * A Kong that is named must have a database, or `SLUICE_TEST_KONG_REPLACE=1` allows to replace its configuration as a
 * whole, and the settings that `sluice kong-conf --socket $SLUICE_TEST_KONG_SOCKET` prints. `SLUICE_TEST_KONG_SETTLE_MS` is how long its changes
 * take (5,000), `SLUICE_TEST_KONG_UPSTREAM_HOST` this machine as it sees it (127.0.0.1).
 */
export async function useGateway(): Promise<AnyGateway> {
  const given = (name: string) => process.env[`SLUICE_TEST_KONG_${name}`]
  const [adminUrl, proxyUrl, socket] = [given('ADMIN_URL'), given('PROXY_URL'), given('SOCKET')]
  if (adminUrl && proxyUrl && socket)
    return {
      name: `Kong at ${adminUrl}`,
      adminUrl,
      proxyUrl,
      socket,
      thisHost: given('UPSTREAM_HOST') ?? '127.0.0.1',
      databaseLess: given('REPLACE') === '1',
      settle: () => pause(Number(given('SETTLE_MS') ?? SETTLE_MS)),
      close: async () => {},
    }
  const folder = makeFolder()
  const dumped = await runSluice(['dump', '--out', folder.path])
  if (dumped.code !== 0) throw new Error(dumped.stderr)
  const localSocket = path.join(folder.path, 'sluice.sock')
  const settings = kongSettings(PLUGINS, localSocket, plugin => `cat ${folder.path}/${plugin}.json`)
  const environment = Object.fromEntries(
    settings.map(([name, value]) => [`KONG_${name.toUpperCase()}`, value]),
  )
  const start = process.env.SLUICE_TEST_KONG === 'docker' ? startInDocker : startHere
  const gateway = await start(environment, folder.path)
  return {
    ...gateway,
    socket: localSocket,
    thisHost: '127.0.0.1',
    async close() {
      await gateway.close()
      folder.remove()
    },
  }
}

type Started = Omit<AnyGateway, 'socket' | 'thisHost'>

async function startHere(environment: Readonly<Record<string, string>>): Promise<Started> {
  const { adminUrl, proxyUrl, close } = await startTestGateway(environment)
  return { name: 'the local gateway', adminUrl, proxyUrl, databaseLess: false, settle: async () => {}, close }
}

/** On the host's network and as this user, so that it reaches the socket in `folder` and the upstreams of a test. */
async function startInDocker(
  environment: Readonly<Record<string, string>>,
  folder: string,
): Promise<Started> {
  const { GenericContainer, Wait } = await import('testcontainers')
  const [proxy, admin] = (await freePorts(2)) as [number, number]
  const user = process.getuid!()
  const container = await new GenericContainer(IMAGE)
    .withNetworkMode('host')
    .withUser(`${user}:${process.getgid!()}`)
    .withBindMounts([{ source: folder, target: folder }])
    .withEnvironment({
      ...environment,
      KONG_DATABASE: 'off',
      KONG_PREFIX: '/tmp/kong',
      KONG_PROXY_LISTEN: `127.0.0.1:${proxy}`,
      KONG_ADMIN_LISTEN: `127.0.0.1:${admin}`,
      KONG_ADMIN_GUI_LISTEN: 'off',
      KONG_ANONYMOUS_REPORTS: 'off',
      // Kong gives root's workers another user, who may not use the socket.
      ...(user === 0 && { KONG_NGINX_USER: 'root root' }),
    })
    .withWaitStrategy(Wait.forLogMessage(/start worker process|init_worker/))
    .start()
  const adminUrl = `http://127.0.0.1:${admin}`
  for (let waited = 0; !(await isServing(adminUrl)); waited += 100) {
    if (waited > 30_000) throw new Error(`${IMAGE} did not start`)
    await pause(100)
  }
  return {
    name: `${IMAGE} in Docker`,
    adminUrl,
    proxyUrl: `http://127.0.0.1:${proxy}`,
    databaseLess: true,
    settle: () => pause(SETTLE_MS),
    async close() {
      await container.stop({ timeout: 0 })
    },
  }
}

const isServing = (adminUrl: string) =>
  fetch(`${adminUrl}/status`).then(
    async response => {
      await response.arrayBuffer()
      return response.ok
    },
    () => false,
  )
