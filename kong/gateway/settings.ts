import { readFileSync } from 'node:fs'
import { BlockList, isIP, isIPv6 } from 'node:net'
import path from 'node:path'
import { createSecureContext } from 'node:tls'
import type { Environment } from '../../foundation/environment.ts'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { fileFault } from '../../foundation/file-fault.ts'
import { type Address, parseAddress } from '../../foundation/settings.ts'
import type { ListenAddress } from './proxy/listener.ts'
import type { RealIpRule } from './proxy/real-ip.ts'
import type { KeyPair } from './proxy/self-signed.ts'
import type { RouterFlavor } from './router/router.ts'

/** What the gateway reads from Kong's own variables. */
export interface GatewaySettings {
  readonly proxyListen: readonly ListenAddress[]
  readonly adminListen: readonly Address[]
  readonly statusListen: readonly Address[]
  /** Names as in `KONG_PLUGINS`, with `bundled` spelt out. */
  readonly plugins: readonly string[]
  readonly databaseLess: boolean
  readonly declarativeConfig: string | undefined
  readonly logLevel: string
  /** PEM: what is served where no SNI stands for a name. Undefined: a self-made one. */
  readonly defaultCertificate: KeyPair | undefined
  readonly routerFlavor: RouterFlavor
  /** Whose word about the client is taken, and where it stands. */
  readonly realIp: RealIpRule
  /** What was asked for and is not supported here; printed at start. */
  readonly notices: readonly string[]
}

/** Kong's levels in pino's words. */
const LOG_LEVELS: Readonly<Record<string, string>> = {
  debug: 'debug',
  info: 'info',
  notice: 'info',
  warn: 'warn',
  error: 'error',
  crit: 'fatal',
  alert: 'fatal',
  emerg: 'fatal',
}

/** Kong's own default; more precise than a name, so that the gateway never listens for strangers by default. */
const DEFAULTS = { proxyListen: '127.0.0.1:8000', adminListen: '127.0.0.1:8001' }

/**
 * Reads Kong's variables. Kong listens on all interfaces by default, this gateway on the loopback interface only.
 *
 * @param bundled what `bundled` in `KONG_PLUGINS` stands for
 * @throws SluiceError SLUICE_GATEWAY_CONFIG that names every wrong variable
 */
export function readGatewaySettings(env: Environment, bundled: readonly string[]): GatewaySettings {
  const reader = new SettingsReader(env)
  const settings: GatewaySettings = {
    ...readDatabase(reader),
    proxyListen: reader.listen('PROXY_LISTEN', DEFAULTS.proxyListen),
    adminListen: reader.plainListen('ADMIN_LISTEN', DEFAULTS.adminListen),
    statusListen: reader.plainListen('STATUS_LISTEN', 'off'),
    plugins: names(reader.text('PLUGINS') ?? 'bundled').flatMap(name =>
      name === 'bundled' ? bundled : name === 'off' ? [] : [name],
    ),
    logLevel: reader.read('LOG_LEVEL', 'notice', readLevel, 'info'),
    defaultCertificate: reader.attempt(
      'SSL_CERT',
      () => readKeyPair(reader.text('SSL_CERT'), reader.text('SSL_CERT_KEY')),
      undefined,
    ),
    routerFlavor: reader.read(
      'ROUTER_FLAVOR',
      'traditional_compatible',
      value => readFlavor(value, reader.notices),
      'traditional_compatible',
    ),
    realIp: readRealIp(reader),
    notices: reader.notices,
  }
  reader.refuseProblems()
  return settings
}

/** Reads variables and gathers what is wrong with them. Names are without their `KONG_`. */
class SettingsReader {
  readonly notices: string[] = []
  readonly #problems: string[] = []
  readonly #env: Environment

  constructor(env: Environment) {
    this.#env = env
  }

  /** Undefined where the variable is unset or empty. */
  text(name: string): string | undefined {
    return this.#env[`KONG_${name}`]?.trim() || undefined
  }

  /** @param otherwise what the settings hold while the variable is wrong */
  attempt<T>(name: string, read: () => T, otherwise: T): T {
    try {
      return read()
    } catch (error) {
      this.refuse(name, messageOf(error))
      return otherwise
    }
  }

  read<T>(name: string, byDefault: string, parse: (value: string) => T, otherwise: T): T {
    return this.attempt(name, () => parse(this.text(name) ?? byDefault), otherwise)
  }

  refuse(name: string, problem: string): void {
    this.#problems.push(`KONG_${name}: ${problem}`)
  }

  listen(name: string, byDefault: string): readonly ListenAddress[] {
    return this.read<readonly ListenAddress[]>(name, byDefault, readListen, []).map(address => {
      const { host, port, ssl, http2 } = address
      if (http2 && !ssl)
        this.notices.push(
          `KONG_${name}: ${host}:${port} speaks HTTP/1.1 only: HTTP/2 is not supported without TLS`,
        )
      return { ...address, http2: http2 && ssl }
    })
  }

  plainListen(name: string, byDefault: string): readonly Address[] {
    return this.listen(name, byDefault).filter(({ ssl, host, port }) => {
      if (ssl)
        this.notices.push(
          `KONG_${name}: ${host}:${port} is left out: this gateway serves TLS on proxy listeners only`,
        )
      return !ssl
    })
  }

  /** @throws SluiceError SLUICE_GATEWAY_CONFIG */
  refuseProblems(): void {
    const problems = this.#problems
    if (problems.length === 0) return
    throw new SluiceError('SLUICE_GATEWAY_CONFIG', `wrong settings:\n  ${problems.join('\n  ')}`, {
      details: { problems },
    })
  }
}

function readDatabase(reader: SettingsReader): Pick<GatewaySettings, 'databaseLess' | 'declarativeConfig'> {
  const database = reader.text('DATABASE')
  const declarativeConfig = reader.text('DECLARATIVE_CONFIG')
  if (declarativeConfig !== undefined && database !== 'off')
    reader.refuse('DECLARATIVE_CONFIG', 'is read only with KONG_DATABASE=off')
  if (database !== undefined && database !== 'off')
    reader.notices.push(`KONG_DATABASE=${database}: the state is kept in memory and is gone at the end`)
  return {
    databaseLess: database === 'off',
    declarativeConfig: declarativeConfig && path.resolve(declarativeConfig),
  }
}

const readRealIp = (reader: SettingsReader): RealIpRule => ({
  isTrusted: reader.read(
    'TRUSTED_IPS',
    '',
    list => readTrusted(names(list)),
    () => false,
  ),
  header: (reader.text('REAL_IP_HEADER') ?? 'X-Real-IP').toLowerCase(),
  isRecursive: reader.read('REAL_IP_RECURSIVE', 'off', readSwitch, false),
})

const names = (list: string): string[] =>
  list
    .split(',')
    .map(name => name.trim())
    .filter(name => name !== '')

/** `0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl`: other words than these two are nginx's own. */
function readListen(value: string): ListenAddress[] {
  if (value === 'off') return []
  return names(value).map(entry => {
    const [address = '', ...flags] = entry.split(/\s+/)
    return { ...parseAddress(address), ssl: flags.includes('ssl'), http2: flags.includes('http2') }
  })
}

/** Both are paths, or PEM text itself. */
function readKeyPair(cert: string | undefined, key: string | undefined): KeyPair | undefined {
  if (cert === undefined && key === undefined) return undefined
  if (cert === undefined || key === undefined)
    throw new Error('KONG_SSL_CERT and KONG_SSL_CERT_KEY must be given together')
  const pair = { cert: readPem(cert), key: readPem(key) }
  try {
    createSecureContext(pair)
  } catch (error) {
    throw new Error(`is no certificate with the key of KONG_SSL_CERT_KEY, both in PEM: ${messageOf(error)}`)
  }
  return pair
}

function readPem(value: string): string {
  if (value.includes('-----BEGIN')) return value
  try {
    return readFileSync(value, 'utf8')
  } catch (error) {
    throw new Error(fileFault('read', value, error))
  }
}

function readLevel(level: string): string {
  const found = LOG_LEVELS[level]
  if (!found) throw new Error(`${JSON.stringify(level)} is not one of ${Object.keys(LOG_LEVELS).join(', ')}`)
  return found
}

function readFlavor(value: string, notices: string[]): RouterFlavor {
  if (value === 'traditional') {
    notices.push('KONG_ROUTER_FLAVOR=traditional: this gateway routes as traditional_compatible')
    return 'traditional_compatible'
  }
  if (value !== 'traditional_compatible' && value !== 'expressions')
    throw new Error(`${JSON.stringify(value)} is not one of traditional_compatible, expressions, traditional`)
  return value
}

function readSwitch(value: string): boolean {
  if (value !== 'on' && value !== 'off') throw new Error(`${JSON.stringify(value)} is neither on nor off`)
  return value === 'on'
}

function readTrusted(ranges: readonly string[]): (ip: string) => boolean {
  if (ranges.length === 0) return () => false
  const list = new BlockList()
  for (const range of ranges) {
    const [address, bits] = range.split('/') as [string, string | undefined]
    if (!isIP(address)) throw new Error(`${JSON.stringify(range)} is no address`)
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return ip => isIP(ip) !== 0 && list.check(ip, isIPv6(ip) ? 'ipv6' : 'ipv4')
}
