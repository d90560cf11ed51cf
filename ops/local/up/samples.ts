/** The services of the sample platform that need stores: users and products, and the discovery of their addresses. */
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { messageOf } from '../../../foundation/errors.ts'
import { refuse } from '../confirm.ts'
import { projectFolder } from '../folders.ts'
import { PYTHON_SERVICES, type PythonServiceName, startPythonService } from '../python-service.ts'
import { type Component, serviceComponent, sluice, startCommand } from './component.ts'
import { answers, type Stores, sluiceSettings, urlsOf } from './platform.ts'
import type { Ports } from './ports.ts'

const run = promisify(execFile)

export interface SampleSearch {
  readonly components: readonly Component[]
  readonly degraded: readonly string[]
}

/** One that cannot be had is left out, with the reason: the gateway and the dictionary do without. */
export async function startSamples(
  ports: Ports,
  stores: Stores,
  say: (line: string) => void,
): Promise<SampleSearch> {
  if (!stores.postgres)
    return {
      components: [],
      degraded: ['users and products are not started: they keep their data in PostgreSQL'],
    }
  const env = sampleSettings(ports, stores)
  const started = await Promise.all(
    PYTHON_SERVICES.map(async name => {
      try {
        return await startOne(name, ports, env, say)
      } catch (error) {
        return `${messageOf(error)}\n  so the service ${name} is missing`
      }
    }),
  )
  return {
    components: started.filter(result => typeof result !== 'string'),
    degraded: started.filter(result => typeof result === 'string'),
  }
}

function sampleSettings(ports: Ports, { postgres, rabbit, consul }: Stores): Record<string, string> {
  return {
    SAMPLE_DATABASE_URL: postgres?.url ?? '',
    SLUICE_JWKS_URL: jwksUrl(ports),
    ...(rabbit && { SAMPLE_AMQP_URL: rabbit.url }),
    ...(consul && { CONSUL_HTTP_ADDR: consul.url }),
  }
}

/** Where services find the keys with which the gateway signs its tokens. */
export const jwksUrl = (ports: Ports) => `http://127.0.0.1:${ports.jwks}/.well-known/jwks.json`

async function startOne(
  name: PythonServiceName,
  ports: Ports,
  env: Record<string, string>,
  say: (line: string) => void,
): Promise<Component> {
  const service = await startPythonService(name, {
    port: ports[name],
    env,
    lasting: name,
    say: line => say(`${name}: ${line}`),
    confirm: refuse,
  })
  say(`the ${name} service is ready`)
  return serviceComponent(name, service.url, service)
}

const accessKeysUrl = (ports: Ports) => `http://127.0.0.1:${ports.users}/.well-known/jwks.json`

/** What the users service publishes, as text. */
export async function accessKeys(ports: Ports): Promise<string> {
  const answer = await fetch(accessKeysUrl(ports), { signal: AbortSignal.timeout(10_000) })
  if (!answer.ok) throw new Error(`the users service answers ${answer.status}`)
  return answer.text()
}

/** Shows the gateway the keys with which the users service signs access tokens; a gateway that starts knows none. */
export async function syncAccessKeys(ports: Ports): Promise<void> {
  const admin = ['--admin-url', `http://127.0.0.1:${ports.admin}`]
  const sync = ['token', 'sync', '--jwks', accessKeysUrl(ports), '--consumer', 'users-service', ...admin]
  await run(process.execPath, [sluice(), ...sync])
}

export const catalogueSettings = (ports: Ports) => ({
  SLUICE_ADMIN_URL: `http://127.0.0.1:${ports.admin}`,
  SLUICE_CATALOGUE_LISTEN: `127.0.0.1:${ports.catalogue}`,
  SLUICE_CATALOGUE_APP_DIR: path.join(projectFolder(), 'flask-sample', 'frontend'),
})

/** The list of APIs, the merged documents and the page of the shop, behind the gateway like any service; alone. */
export function startCatalogue(ports: Ports, stores: Stores): Promise<Component> {
  const url = `http://127.0.0.1:${ports.catalogue}`
  return startCommand({
    name: 'catalogue',
    about: url,
    args: ['manager', 'catalogue'],
    env: { ...sluiceSettings(ports, urlsOf(stores)), ...catalogueSettings(ports) },
    isReady: () => answers(`${url}/readyz`),
  })
}

/** `sluice discover`: keeps the targets of the gateway's upstreams at what Consul says. */
export function startDiscovery(ports: Ports, consulUrl: string): Promise<Component> {
  const address = `127.0.0.1:${ports.discovery}`
  return startCommand({
    name: 'discovery',
    about: `http://${address}`,
    args: [
      ...['discover', '--admin-url', `http://127.0.0.1:${ports.admin}`, '--consul-url', consulUrl],
      // A gateway that was started again has no target until its state is read.
      ...['--http', address, '--kong-every', '2s'],
    ],
    env: {},
    isReady: () => answers(`http://${address}/readyz`),
  })
}
