/** What clients meet of the plugins on a route: how to authenticate, which limits, which answers of the gateway's own. */
import { PERIOD_SECONDS } from '../../kong/gateway/plugins/rate-windows.ts'
import type { PluginInForce, Row } from './offer.ts'

/** A security scheme of OpenAPI, with the name of its component. */
export interface Scheme {
  readonly name: string
  readonly scheme: Row
}

export interface Limit {
  /** Of a consumer's tier; undefined where the limit is everybody's. */
  readonly tier?: string
  readonly requests: number
  readonly seconds: number
}

/** Statuses that the gateway itself answers. */
export type GatewayStatus = 401 | 403 | 413 | 429 | 503

/** How to authenticate: one of the alternatives, each by all of its schemes; an empty one means without. */
export type Alternatives = readonly (readonly Scheme[])[]

const NO_AUTH: Alternatives = [[]]

const apiKey = (place: 'header' | 'query' | 'cookie', key: string): Scheme => ({
  name: `gateway_${place === 'header' ? 'key' : `key_${place}`}_${key.replace(/[^\w.-]/g, '_')}`,
  scheme: { type: 'apiKey', in: place, name: key },
})
const http = (scheme: string, more: Row = {}): Scheme => ({
  name: `gateway_${scheme}`,
  scheme: { type: 'http', scheme, ...more },
})

const listOf = (value: unknown): readonly string[] => (Array.isArray(value) ? value.map(String) : [])

/** The ways in of each authentication plugin of Kong; any one of a list will do. */
const AUTHENTICATION: Readonly<Record<string, (config: Row) => readonly Scheme[]>> = {
  'key-auth': config =>
    listOf(config.key_names ?? ['apikey']).flatMap(name => [
      ...(config.key_in_header === false ? [] : [apiKey('header', name)]),
      ...(config.key_in_query === false ? [] : [apiKey('query', name)]),
    ]),
  'basic-auth': () => [http('basic')],
  'ldap-auth': () => [http('basic')],
  jwt: () => [http('bearer', { bearerFormat: 'JWT' })],
  oauth2: () => [http('bearer')],
  'hmac-auth': () => [apiKey('header', 'Authorization')],
  session: config => [apiKey('cookie', String(config.cookie_name ?? 'session'))],
}

/** In Kong all authentication plugins must agree, unless they let through whom they do not know (`anonymous`). */
export function authenticationOf(plugins: readonly PluginInForce[]): Alternatives {
  const required: Alternatives[] = []
  const optional: (readonly Scheme[])[] = []
  for (const { name, config } of plugins) {
    const ways = AUTHENTICATION[name]?.(config).map(scheme => [scheme]) ?? []
    if (ways.length === 0) continue
    if (config.anonymous) optional.push(...ways)
    else required.push(ways)
  }
  const all = required.reduce(bothOf, NO_AUTH)
  return optional.length === 0 ? all : bothOf(all, [...optional, []])
}

/** Whoever satisfies one of `a` and one of `b`. */
export function bothOf(a: Alternatives, b: Alternatives): Alternatives {
  return a.flatMap(one =>
    b.map(other => [...one, ...other.filter(({ name }) => !one.some(s => s.name === name))]),
  )
}

export const authPluginsOf = (plugins: readonly PluginInForce[]): readonly string[] =>
  plugins.filter(({ name }) => name in AUTHENTICATION).map(({ name }) => name)

const ANSWERS: Readonly<Record<string, readonly GatewayStatus[]>> = {
  ...Object.fromEntries(Object.keys(AUTHENTICATION).map(name => [name, [401]])),
  acl: [403],
  'ip-restriction': [403],
  'bot-detection': [403],
  'request-size-limiting': [413],
  'rate-limiting': [429],
  'response-ratelimiting': [429],
  qos: [429, 503],
  'circuit-breaker': [503],
  'request-termination': [503],
}

/** The members of `sluice` stand in its configuration under their names with underscores. */
function withMembers(plugins: readonly PluginInForce[]): readonly PluginInForce[] {
  return plugins.flatMap(plugin =>
    plugin.name === 'sluice'
      ? Object.entries(plugin.config)
          .filter(([, config]) => config !== null)
          .map(([field, config]) => ({ name: field.replaceAll('_', '-'), config: config as Row }))
      : [plugin],
  )
}

export function answersOf(plugins: readonly PluginInForce[]): readonly GatewayStatus[] {
  const statuses = withMembers(plugins).flatMap(({ name }) => ANSWERS[name] ?? [])
  return [...new Set(statuses)].sort((a, b) => a - b)
}

/** What of the limits stands in the configuration; those in shadow refuse nobody. */
export function limitsOf(plugins: readonly PluginInForce[]): readonly Limit[] {
  return withMembers(plugins).flatMap(({ name, config }) => {
    if (name === 'rate-limiting') return nativeLimits(config)
    return name === 'qos' ? tierLimits(config) : []
  })
}

const nativeLimits = (config: Row): Limit[] =>
  Object.entries(PERIOD_SECONDS).flatMap(([period, seconds]) => {
    const requests = config[period]
    return typeof requests === 'number' ? [{ requests, seconds }] : []
  })

function tierLimits({ tiers, mode }: Row): Limit[] {
  if (mode === 'shadow') return []
  return Object.entries((tiers ?? {}) as Readonly<Record<string, Row>>).flatMap(([tier, { limits }]) =>
    (Array.isArray(limits) ? (limits as Row[]) : [])
      .filter(({ requests, per }) => typeof requests === 'number' && typeof per === 'number')
      .map(({ requests, per }) => ({ tier, requests: Number(requests), seconds: Number(per) })),
  )
}
