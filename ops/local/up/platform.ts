/** What `make up` runs, in the order in which each needs the ones before. */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { messageOf, SluiceError } from '../../../foundation/errors.ts'
import { refuse } from '../confirm.ts'
import { findService } from '../find.ts'
import { projectFolder } from '../folders.ts'
import { startSample } from '../sample.ts'
import { NAMES, type Service, type ServiceKind } from '../service.ts'
import { wantsSamples } from './choices.ts'
import { type Component, componentOf, serviceComponent, sluice, startCommand } from './component.ts'
import { sampleCredentials } from './credentials.ts'
import type { Ports } from './ports.ts'
import { privateFolder, type UpState } from './state.ts'

const run = promisify(execFile)

const ROUTED_MS = 60_000

/** What goes on without a store that can't be had. */
const FALLBACKS: Readonly<Record<ServiceKind, string>> = {
  redis: 'limits and breakers are kept in memory',
  postgres: 'events stay in the spool for it',
  rabbit: 'events stay in the spool for it',
  consul: 'no route leads to users and products, whose targets come from it',
}

export const storeKinds = () =>
  (Object.keys(FALLBACKS) as readonly ServiceKind[]).filter(kind => kind !== 'consul' || wantsSamples())

export type Stores = Readonly<Partial<Record<ServiceKind, Service>>>

export interface StoreSearch {
  readonly stores: Stores
  readonly components: readonly Component[]
  readonly degraded: readonly string[]
}

/** Starts the stores; one that can't be had is left out, with the reason and what stands in for it. */
export async function startStores(say: (line: string) => void): Promise<StoreSearch> {
  const degraded: string[] = []
  const found = await Promise.all(
    storeKinds().map(async kind => {
      try {
        const service = await findService(kind, {
          variables: 'SLUICE_',
          lasting: kind,
          say: line => say(`${NAMES[kind]}: ${line}`),
          confirm: refuse,
        })
        say(`${NAMES[kind]} is ready (${service.way})`)
        return service
      } catch (error) {
        degraded.push(`${messageOf(error)}\n  so ${FALLBACKS[kind]}`)
        return undefined
      }
    }),
  )
  const services = found.filter(service => service !== undefined)
  return {
    stores: Object.fromEntries(services.map(service => [service.kind, service])) as Stores,
    components: services.map(service =>
      serviceComponent(service.kind, `${new URL(service.url).host} (${service.way})`, service),
    ),
    degraded,
  }
}

export async function startSampleService(ports: Ports, say: (line: string) => void): Promise<Component> {
  const sample = await startSample({
    ports: [ports.sample, ports.control],
    lasting: 'sample',
    say: line => say(`sample: ${line}`),
    confirm: refuse,
  })
  return componentOf({
    ...{ name: 'sample', about: sample.url, log: sample.logFile, running: sample },
    async restart() {
      await sample.close()
      return startSampleService(ports, say)
    },
  })
}

/** What a command of `sluice` needs to work on this platform: the plugin server itself, and those that operate it. */
export function sluiceSettings(ports: Ports, urls: UpState['urls']): Record<string, string> {
  return {
    SLUICE_SOCKET: socket(),
    SLUICE_SPOOL_DIR: privateFolder('spool'),
    SLUICE_HTTP: `127.0.0.1:${ports.http}`,
    SLUICE_FINGERPRINT_SECRET_FILE: secretFile('fingerprint'),
    // Empty takes a URL out of force that was given but does not serve.
    SLUICE_REDIS_URL: urls.redis ?? '',
    SLUICE_POSTGRES_URL: urls.postgres ?? '',
    SLUICE_AMQP_URL: urls.rabbit ?? '',
    SLUICE_PROXY_URL: `http://127.0.0.1:${ports.proxy}`,
    SLUICE_LOOPBACK_SECRET_FILE: secretFile('loopback'),
    SLUICE_TOKEN_KEYS_DIR: privateFolder('token-keys'),
    SLUICE_JWKS_LISTEN: `127.0.0.1:${ports.jwks}`,
    SLUICE_MANAGER_LISTEN: `127.0.0.1:${ports.manager}`,
    SLUICE_MANAGER_KEY_FILE: secretFile('manager-key', () => `make-up:${randomBytes(32).toString('base64')}`),
    SLUICE_MANAGER_SPOOL_DIR: privateFolder('manager-spool'),
    SLUICE_MANAGER_METRICS_URLS: `http://127.0.0.1:${ports.admin}/metrics,http://127.0.0.1:${ports.http}/metrics`,
    // The sample services are there.
    SLUICE_MANAGER_ALLOW_UPSTREAMS: '127.0.0.0/8,::1',
  }
}

/** What the files of kong/desired ask of the environment. */
export const declaredSettings = (ports: Ports) => ({
  ...sampleCredentials(),
  SAMPLE_HOST: '127.0.0.1',
  SAMPLE_PORT: String(ports.sample),
  CATALOGUE_PORT: String(ports.catalogue),
})

export const urlsOf = (stores: Stores): UpState['urls'] =>
  Object.fromEntries(Object.values(stores).map(({ kind, url }) => [kind, url]))

const socket = () => path.join(privateFolder('run'), 'sluice.sock')

/** @param traces where it sends spans, unless SLUICE_OTLP_URL in this environment says so */
export async function startPluginServer(
  ports: Ports,
  stores: Stores,
  traces: string | undefined,
): Promise<Component> {
  await makeTokenKey(ports, stores)
  const url = `http://127.0.0.1:${ports.http}`
  return startCommand({
    name: 'plugin-server',
    about: url,
    args: ['serve'],
    env: { ...sluiceSettings(ports, urlsOf(stores)), ...(traces && { SLUICE_OTLP_URL: traces }) },
    isReady: () => answers(`${url}/healthz`),
  })
}

/** The first key with which the gateway signs its tokens for services; later ones are made by hand. */
async function makeTokenKey(ports: Ports, stores: Stores): Promise<void> {
  const env = sluiceSettings(ports, urlsOf(stores))
  if (existsSync(path.join(env.SLUICE_TOKEN_KEYS_DIR ?? '', 'keys.json'))) return
  await run(process.execPath, [sluice(), 'token', 'rotate'], { env: { ...process.env, ...env } })
}

/** The gateway together with its declared state, which it keeps in memory: it is applied at each start. */
export async function startGateway(
  ports: Ports,
  stores: Stores,
  say: (line: string) => void,
): Promise<Component> {
  const gateway = await startCommand(
    {
      name: 'gateway',
      about: `http://127.0.0.1:${ports.proxy}`,
      args: ['gateway'],
      env: {
        ...(await kongSettings()),
        KONG_PROXY_LISTEN: `127.0.0.1:${ports.proxy}`,
        KONG_ADMIN_LISTEN: `127.0.0.1:${ports.admin}`,
      },
      isReady: () => answers(`http://127.0.0.1:${ports.admin}/status`),
    },
    () => startGateway(ports, stores, say),
  )
  try {
    say(await applyDesired(ports, stores))
    return gateway
  } catch (error) {
    await gateway.close()
    throw error
  }
}

/** The settings that `sluice kong-conf` prints for any Kong. */
async function kongSettings(): Promise<Record<string, string>> {
  const dumps = privateFolder('run/dump')
  const env = { ...process.env, SLUICE_SOCKET: socket() }
  await run(process.execPath, [sluice(), 'dump', '--out', dumps], { env })
  const kongConf = [sluice(), 'kong-conf', '--format', 'env', '--dump-dir', dumps]
  const { stdout } = await run(process.execPath, kongConf, { env })
  const settings = [...stdout.matchAll(/^(KONG_\w+)=(?:'(.*)'|(.*))$/gm)]
  return Object.fromEntries(settings.map(([, name, quoted, bare]) => [name, quoted ?? bare]))
}

/** Brings the gateway to the declared state of the sample platform. @returns what `sluice apply` printed */
async function applyDesired(ports: Ports, stores: Stores): Promise<string> {
  const files = ['kong.yaml', 'platform.yaml'].map(name =>
    path.join(projectFolder(), 'kong', 'desired', name),
  )
  const args = ['apply', ...files.flatMap(file => ['-f', file])]
  const env = { ...process.env, ...declaredSettings(ports), ...sluiceSettings(ports, urlsOf(stores)) }
  try {
    const adminUrl = `http://127.0.0.1:${ports.admin}`
    const { stdout } = await run(process.execPath, [sluice(), ...args, '--admin-url', adminUrl], { env })
    await untilRouted(`http://127.0.0.1:${ports.proxy}/dictionary/`)
    return stdout.trim()
  } catch (error) {
    const { stderr } = error as { stderr?: string }
    throw new SluiceError('SLUICE_APPLY_FAILED', (stderr || messageOf(error)).trim())
  }
}

/** A gateway may take a moment to route what its Admin API has accepted: a real Kong up to some seconds. */
async function untilRouted(url: string): Promise<void> {
  const deadline = performance.now() + ROUTED_MS
  while ((await fetch(url)).status === 404) {
    if (performance.now() > deadline) throw new Error(`${url} is still not routed`)
    await sleep(50)
  }
}

/**
 * A secret of this installation, made at the first use.
 *
 * @param make random text by default
 */
export function secretFile(name: string, make = () => randomBytes(32).toString('base64url')): string {
  const file = path.join(privateFolder('secrets'), name)
  if (!existsSync(file)) writeFileSync(file, make(), { mode: 0o600 })
  return file
}

export async function answers(url: string): Promise<boolean> {
  return (await fetch(url, { signal: AbortSignal.timeout(1_000) })).ok
}
