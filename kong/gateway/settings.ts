import { BlockList, isIP, isIPv6 } from 'node:net'
import path from 'node:path'
import { messageOf, SluiceError } from '../../foundation/errors.ts'
import { type Address, parseAddress } from '../../foundation/settings.ts'
import type { RealIpRule } from './proxy/real-ip.ts'

/** What the gateway reads from Kong's own variables. */
export interface GatewaySettings {
  readonly proxyListen: readonly Address[]
  readonly adminListen: readonly Address[]
  readonly statusListen: readonly Address[]
  /** Names as in `KONG_PLUGINS`, with `bundled` spelt out. */
  readonly plugins: readonly string[]
  readonly databaseLess: boolean
  readonly declarativeConfig: string | undefined
  readonly logLevel: string
  /** Whose word about the client is taken, and where it stands. */
  readonly realIp: RealIpRule
  /** What was asked for and is not supported here; printed at start. */
  readonly notices: readonly string[]
}

type Environment = Readonly<Record<string, string | undefined>>

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
  const problems: string[] = []
  const notices: string[] = []
  const attempt = <T>(variable: string, read: () => T, otherwise: T): T => {
    try {
      return read()
    } catch (error) {
      problems.push(`${variable}: ${messageOf(error)}`)
      return otherwise
    }
  }
  const text = (name: string) => env[`KONG_${name}`]?.trim() || undefined
  const listen = (name: string, otherwise: string) =>
    attempt(`KONG_${name}`, () => readListen(`KONG_${name}`, text(name) ?? otherwise, notices), [])

  const database = text('DATABASE')
  const declarativeConfig = text('DECLARATIVE_CONFIG')
  if (declarativeConfig !== undefined && database !== 'off')
    problems.push('KONG_DECLARATIVE_CONFIG: is read only with KONG_DATABASE=off')
  if (database !== undefined && database !== 'off')
    notices.push(`KONG_DATABASE=${database}: the state is kept in memory and is gone at the end`)

  const settings: GatewaySettings = {
    proxyListen: listen('PROXY_LISTEN', DEFAULTS.proxyListen),
    adminListen: listen('ADMIN_LISTEN', DEFAULTS.adminListen),
    statusListen: listen('STATUS_LISTEN', 'off'),
    plugins: names(text('PLUGINS') ?? 'bundled').flatMap(name =>
      name === 'bundled' ? bundled : name === 'off' ? [] : [name],
    ),
    databaseLess: database === 'off',
    declarativeConfig: declarativeConfig && path.resolve(declarativeConfig),
    logLevel: attempt('KONG_LOG_LEVEL', () => readLevel(text('LOG_LEVEL') ?? 'notice'), 'info'),
    realIp: {
      isTrusted: attempt(
        'KONG_TRUSTED_IPS',
        () => readTrusted(names(text('TRUSTED_IPS') ?? '')),
        () => false,
      ),
      header: (text('REAL_IP_HEADER') ?? 'X-Real-IP').toLowerCase(),
      isRecursive: attempt(
        'KONG_REAL_IP_RECURSIVE',
        () => readSwitch(text('REAL_IP_RECURSIVE') ?? 'off'),
        false,
      ),
    },
    notices,
  }
  if (problems.length > 0)
    throw new SluiceError('SLUICE_GATEWAY_CONFIG', `wrong settings:\n  ${problems.join('\n  ')}`, {
      details: { problems },
    })
  return settings
}

const names = (list: string): string[] =>
  list
    .split(',')
    .map(name => name.trim())
    .filter(name => name !== '')

/** `0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl`: what follows the address is Kong's own. */
function readListen(variable: string, value: string, notices: string[]): Address[] {
  if (value === 'off') return []
  return names(value).flatMap(entry => {
    const [address, ...flags] = entry.split(/\s+/) as [string, ...string[]]
    if (flags.includes('ssl')) {
      notices.push(`${variable}: ${address} is left out, since this gateway serves no TLS`)
      return []
    }
    return [parseAddress(address)]
  })
}

function readLevel(level: string): string {
  const found = LOG_LEVELS[level]
  if (!found) throw new Error(`${JSON.stringify(level)} is not one of ${Object.keys(LOG_LEVELS).join(', ')}`)
  return found
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
