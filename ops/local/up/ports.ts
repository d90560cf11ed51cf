import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { SluiceError } from '../../../foundation/errors.ts'
import { choiceProblems, wantsPrometheus, wantsSamples } from './choices.ts'

/** Where `make up` listens, all on 127.0.0.1: the name of each port, its variable and its default. */
export const PORTS = {
  proxy: { env: 'SLUICE_UP_PROXY_PORT', default: 8000, doc: 'the gateway, for clients' },
  admin: { env: 'SLUICE_UP_ADMIN_PORT', default: 8001, doc: "the gateway's Admin API" },
  http: { env: 'SLUICE_UP_HTTP_PORT', default: 9542, doc: 'metrics and health of the plugin server' },
  sample: { env: 'SLUICE_UP_SAMPLE_PORT', default: 9550, doc: 'the sample service' },
  control: { env: 'SLUICE_UP_CONTROL_PORT', default: 9551, doc: "the sample service's failure switch" },
  users: { env: 'SLUICE_UP_USERS_PORT', default: 9560, doc: 'the users service, around the gateway' },
  products: {
    env: 'SLUICE_UP_PRODUCTS_PORT',
    default: 9570,
    doc: 'the products service, around the gateway',
  },
  manager: { env: 'SLUICE_UP_MANAGER_PORT', default: 9543, doc: 'the management API and the dashboard' },
  catalogue: {
    env: 'SLUICE_UP_CATALOGUE_PORT',
    default: 9544,
    doc: 'the list of APIs and the page of the shop',
  },
  jwks: { env: 'SLUICE_UP_JWKS_PORT', default: 9545, doc: 'the public keys of upstream-token' },
  prometheus: {
    env: 'SLUICE_UP_PROMETHEUS_PORT',
    default: 9090,
    doc: 'Prometheus, with SLUICE_UP_OBSERVE=on',
  },
  discovery: {
    env: 'SLUICE_UP_DISCOVERY_PORT',
    default: 9546,
    doc: 'metrics and health of `sluice discover`',
  },
} as const

export type PortName = keyof typeof PORTS
export type Ports = Readonly<Record<PortName, number>>

/**
 * @throws SluiceError SLUICE_CONFIG_INVALID that names every variable that is no port, or the same port twice, and what
 * else is wrong with the variables of `make up`.
 */
export function readPorts(env: Readonly<Record<string, string | undefined>>): Ports {
  const problems: string[] = []
  const owners = new Map<number, string>()
  const read = (name: PortName) => {
    const spec = PORTS[name]
    const text = env[spec.env] || String(spec.default)
    const port = Number(text)
    if (!/^\d+$/.test(text) || port < 1 || port > 65_535) problems.push(`${spec.env}: ${text} is not a port`)
    const other = owners.get(port)
    if (other) problems.push(`${spec.env}: ${port} is also the port of ${other}`)
    owners.set(port, spec.env)
    return port
  }
  const names = Object.keys(PORTS) as PortName[]
  const ports = Object.fromEntries(names.map(name => [name, read(name)])) as Ports
  problems.push(
    ...choiceProblems(
      env,
      names.map(name => PORTS[name].env),
    ),
  )
  if (problems.length > 0)
    throw new SluiceError('SLUICE_CONFIG_INVALID', `wrong settings:\n  ${problems.join('\n  ')}`)
  return ports
}

/** @throws SluiceError SLUICE_PORT_IN_USE that names each taken port, who holds it, and the variable for another. */
export async function checkPorts(ports: Ports): Promise<void> {
  const taken: string[] = []
  for (const name of (Object.keys(PORTS) as PortName[]).filter(isUsed)) {
    const port = ports[name]
    if (await isFree(port)) continue
    const { env, doc } = PORTS[name]
    const holder = holderOf(port)
    taken.push(
      `port ${port} (${doc}) is taken${holder ? ` by process ${holder.pid} (${holder.command})` : ''}: ` +
        `end it, or set ${env} to another port`,
    )
  }
  if (taken.length > 0) throw new SluiceError('SLUICE_PORT_IN_USE', taken.join('\n'))
}

const OF_SAMPLES: readonly PortName[] = ['users', 'products', 'manager', 'catalogue', 'discovery']

/** A port of what is not started may be anybody's. */
function isUsed(name: PortName): boolean {
  if (name === 'prometheus') return wantsPrometheus()
  return wantsSamples() || !OF_SAMPLES.includes(name)
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}

/** The process that listens on the port, as far as this user may see. Reads /proc. */
export function holderOf(port: number): { pid: number; command: string } | undefined {
  const inodes = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap(file => listeningInodes(file, port))
  for (const pid of entriesOf('/proc').filter(name => /^\d+$/.test(name)))
    for (const descriptor of entriesOf(`/proc/${pid}/fd`)) {
      const target = linkOf(`/proc/${pid}/fd/${descriptor}`)
      if (inodes.some(inode => target === `socket:[${inode}]`))
        return { pid: Number(pid), command: textOf(`/proc/${pid}/comm`).trim() }
    }
  return undefined
}

/** Columns of /proc/net/tcp: number, local address, remote address, state (0A: listening), …, inode. */
function listeningInodes(file: string, port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return textOf(file)
    .split('\n')
    .map(line => line.trim().split(/\s+/))
    .filter(fields => fields[1]?.endsWith(suffix) && fields[3] === '0A')
    .flatMap(fields => fields[9] ?? [])
}

const orElse =
  <T>(read: (path: string) => T, fallback: T) =>
  (path: string): T => {
    try {
      return read(path)
    } catch {
      // Processes end while one looks, and others' are closed to us.
      return fallback
    }
  }
const entriesOf = orElse(path => readdirSync(path), [])
const linkOf = orElse(path => readlinkSync(path), '')
const textOf = orElse(path => readFileSync(path, 'utf8'), '')
