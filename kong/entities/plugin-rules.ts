import type { AutoValues } from '../schema/field.ts'
import { type FieldRule, type Rules, withRules } from '../schema/rules.ts'
import { isObject, type SchemaSpec } from '../schema/spec.ts'
import { isRegex } from '../schema/validators.ts'
import { luaFault } from './lua.ts'
import { checkUriPath } from './paths.ts'
import { checkUrl, splitUrl } from './url.ts'
import {
  checkAddressRange,
  checkHeaderName,
  checkHost,
  checkHostPattern,
  checkServerName,
} from './validators.ts'

type Config = Readonly<Record<string, unknown>>

/** Limits in the order in which a longer period must not allow less than a shorter one. */
const PERIODS = ['second', 'minute', 'hour', 'day', 'month', 'year']

/** A number as Lua's `%.1f` shows it. */
const tenths = (value: unknown): string => Number(value).toFixed(1)

function checkPeriods(limits: Config, the: string): string | undefined {
  const given = PERIODS.filter(period => typeof limits[period] === 'number')
  for (const [i, shorter] of given.entries())
    for (const longer of given.slice(i + 1))
      if (Number(limits[longer]) < Number(limits[shorter]))
        return `${the} limit for ${longer}(${tenths(limits[longer])}) cannot be lower than the limit for ${shorter}(${tenths(limits[shorter])})`
  return undefined
}

function checkRateLimits(config: Config): string | undefined {
  const order = checkPeriods(config, 'The')
  if (order) return order
  const { policy, sync_rate } = config
  if (sync_rate === -1) return undefined
  if (policy !== 'redis') return 'sync_rate can only be used with the redis policy'
  return Number(sync_rate) < 0.02 ? 'sync_rate must be greater than 0.02, or -1 to disable' : undefined
}

const redis = (prefix: string): Rules => ({
  [`${prefix}.host`]: checkHost,
  [`${prefix}.server_name`]: checkServerName,
})

/** Functions that make fields of a log entry; here only read, never run. */
const luaFields: Rules = {
  'config.custom_fields_by_lua.values': (code: string) => {
    const fault = luaFault(code)
    return fault && `Error parsing function: ${fault}`
  },
}

function functions(plugin: string): Rules {
  const check = (code: string) => {
    const fault = luaFault(code)
    return fault && `error parsing ${plugin}: ${fault}`
  }
  const phases = ['certificate', 'rewrite', 'access', 'header_filter', 'body_filter', 'log']
  return Object.fromEntries(phases.map(phase => [`config.${phase}.elements`, check]))
}

function checkOrigin(value: string): string | undefined {
  return value === '*' || isRegex(value) ? undefined : `'${value}' is not a valid regex`
}

/** `name:value`, of which the name, and the value if it is a new name, must do as the name of a header. */
const headerPair = (valueToo: boolean) => (pair: string) => {
  const [, name = '', value = ''] = /^([^:]+):*(.*)$/s.exec(pair) ?? []
  const wrong = [name, ...(valueToo ? [value] : [])].find(part => checkHeaderName(part) !== undefined)
  return wrong === undefined ? undefined : `'${wrong}' is not a valid header`
}

function checkHasValue(entry: string): string | undefined {
  const [, name = entry, value] = /^([^:]+):*(.*)$/s.exec(entry) ?? []
  return value ? undefined : `key '${name}' has no value`
}

function transformations(): Rules {
  const parts = ['rename', 'replace', 'add', 'append'].flatMap((part): [string, FieldRule][] => [
    [`config.${part}.body.elements`, checkHasValue],
    [`config.${part}.headers.elements`, headerPair(part === 'rename')],
    [`config.${part}.querystring.elements`, checkHasValue],
  ])
  return { 'config.remove.headers.elements': headerPair(false), ...Object.fromEntries(parts) }
}

function checkHttpLog({ http_endpoint, headers }: Config): string | undefined {
  const { userInfo } = splitUrl(String(http_endpoint))
  const names = isObject(headers) ? Object.keys(headers) : []
  return userInfo !== undefined && names.some(name => name.toLowerCase() === 'authorization')
    ? "specifying both an 'Authorization' header and user info in 'http_endpoint' is not allowed"
    : undefined
}

function checkAttributes(attributes: Config): string | undefined {
  for (const value of Object.values(attributes)) {
    if (!['string', 'number', 'boolean'].includes(typeof value))
      return `invalid type of value: ${typeof value === 'object' ? 'table' : typeof value}`
    if (value === '') return 'required field missing'
  }
  return undefined
}

function checkStaticTags(tags: readonly { readonly name: string }[]): string | undefined {
  const names = tags.map(({ name }) => name)
  const double = names.find((name, i) => names.indexOf(name) !== i)
  return double === undefined ? undefined : `repeated tags are not allowed: ${double}`
}

const FLOWS = [
  'enable_authorization_code',
  'enable_implicit_grant',
  'enable_client_credentials',
  'enable_password_grant',
]

const checkFlows = (config: Config): string | undefined =>
  FLOWS.some(flow => config[flow] === true)
    ? undefined
    : `at least one of these fields must be true: ${FLOWS.join(', ')}`

function checkProxyScheme({ config }: Config): string | undefined {
  const url = isObject(config) ? config.proxy_url : undefined
  const scheme = typeof url === 'string' ? /^([^:]+):\/\//.exec(url)?.[1] : undefined
  return scheme !== undefined && scheme !== 'http' ? 'proxy_url scheme must be http' : undefined
}

const RESERVED_NAMESPACES = ['kong_acme:renew_config:', 'kong_acme:renew_last_run', 'kong_acme:cert_key:']

function checkNamespace(namespace: string): string | undefined {
  const reserved = RESERVED_NAMESPACES.find(word => namespace.startsWith(word))
  return reserved && `namespace can't be prefixed with reserved word: ${reserved}`
}

/** The areas of shared memory that a Kong has. */
const SHARED_DICTS = new Set(
  'kong kong_locks kong_healthchecks kong_cluster_events kong_rate_limiting_counters kong_core_db_cache kong_core_db_cache_miss kong_db_cache kong_db_cache_miss kong_secrets prometheus_metrics'.split(
    ' ',
  ),
)

function checkDictionary({ config }: Config): string | undefined {
  if (!isObject(config) || config.strategy !== 'memory' || !isObject(config.memory)) return undefined
  const name = String(config.memory.dictionary_name)
  return SHARED_DICTS.has(name) ? undefined : `missing shared dict '${name}'`
}

/** Older fields of the session's settings, with what they are called today. */
const SESSION_SHORTHANDS: Rules = {
  'config.cookie_lifetime': { func: (value: number) => ({ rolling_timeout: value }) },
  'config.cookie_idletime': { func: (value: number | null) => ({ idling_timeout: value ?? 0 }) },
  'config.cookie_renew': { func: () => undefined },
  'config.cookie_discard': { func: (value: number) => ({ stale_ttl: value }) },
  'config.cookie_samesite': {
    func: (value: string) => ({ cookie_same_site: value === 'off' ? 'Lax' : value }),
  },
  'config.cookie_httponly': { func: (value: boolean) => ({ cookie_http_only: value }) },
  'config.cookie_persistent': { func: (value: boolean) => ({ remember: value }) },
}

/** What Anthropic's older route cannot tell. */
function checkStatistics({ route_type, model, logging }: Config): string | undefined {
  const provider = isObject(model) ? model.provider : undefined
  const wanted = isObject(logging) && logging.log_statistics === true
  return wanted && route_type === 'llm/v1/completions' && provider === 'anthropic'
    ? `${provider} does not support statistics when route_type is ${route_type}`
    : undefined
}

const proxies: Rules = { 'config.http_proxy_host': checkHost, 'config.https_proxy_host': checkHost }

const llm = (prefix: string): Rules => ({
  [prefix]: { checks: [checkStatistics] },
  [`${prefix}.model.options.upstream_url`]: checkUrl,
})

/**
 * What the recorded schemas of the bundled plugins cannot say, by the plugin's name. The plugins that the gateway runs
 * may add rules beside their handlers.
 */
export const PLUGIN_RULES: Readonly<Record<string, Rules>> = {
  acme: {
    // What this check says depends on whether there is a database: see `schemaOnNode`.
    '': { checks: [() => undefined] },
    'config.api_uri': checkUrl,
    'config.domains.elements': checkHostPattern,
    ...redis('config.storage_config.redis'),
    'config.storage_config.redis.extra_options.namespace': checkNamespace,
    'config.storage_config.consul.host': checkHost,
    'config.storage_config.vault.host': checkHost,
  },
  'ai-proxy': llm('config'),
  'ai-request-transformer': { ...proxies, ...llm('config.llm') },
  'ai-response-transformer': { ...proxies, ...llm('config.llm') },
  'aws-lambda': {
    '': { checks: [checkProxyScheme] },
    'config.aws_sts_endpoint_url': checkUrl,
    'config.aws_region': checkHost,
    'config.host': checkHost,
    'config.proxy_url': checkUrl,
  },
  cors: { 'config.origins.elements': checkOrigin },
  datadog: { 'config.host': checkHost },
  'file-log': luaFields,
  'http-log': {
    config: checkHttpLog,
    'config.http_endpoint': checkUrl,
    'config.headers.keys': checkHeaderName,
    ...luaFields,
  },
  'ip-restriction': {
    'config.allow.elements': checkAddressRange,
    'config.deny.elements': checkAddressRange,
  },
  'ldap-auth': { 'config.ldap_host': checkHost },
  loggly: { 'config.host': checkHost, ...luaFields },
  oauth2: { config: checkFlows },
  opentelemetry: {
    'config.traces_endpoint': checkUrl,
    'config.logs_endpoint': checkUrl,
    'config.headers.keys': checkHeaderName,
    'config.resource_attributes': checkAttributes,
    'config.propagation.clear.elements': checkHeaderName,
    'config.endpoint': {
      custom_validator: checkUrl,
      func: (value: string) => ({ traces_endpoint: value }),
    },
  },
  'post-function': functions('post-function'),
  'pre-function': functions('pre-function'),
  'proxy-cache': { '': { checks: [checkDictionary] } },
  'rate-limiting': {
    config: checkRateLimits,
    'config.header_name': checkHeaderName,
    'config.path': checkUriPath,
    ...redis('config.redis'),
  },
  redirect: { 'config.location': checkUrl },
  'request-transformer': transformations(),
  'response-ratelimiting': {
    'config.limits.values': (limits: Config) => checkPeriods(limits, 'the'),
    ...redis('config.redis'),
  },
  'response-transformer': { 'config.rename.headers.elements': headerPair(true) },
  // The recorded default is a secret that Kong draws anew at each start.
  session: { ...SESSION_SHORTHANDS, 'config.secret': { default: undefined } },
  statsd: { 'config.host': checkHost },
  syslog: luaFields,
  'tcp-log': { 'config.host': checkHost, ...luaFields },
  'udp-log': { 'config.host': checkHost, ...luaFields },
  zipkin: {
    'config.http_endpoint': checkUrl,
    'config.static_tags': checkStaticTags,
    'config.propagation.clear.elements': checkHeaderName,
  },
}

/** What rules only on a node without a database. */
const WITHOUT_DATABASE: Readonly<Record<string, Rules>> = {
  acme: {
    '': {
      checks: [
        ({ config }: Config) =>
          isObject(config) && config.storage === 'kong'
            ? '"kong" storage can\'t be used with dbless mode'
            : undefined,
      ],
    },
  },
  'rate-limiting': { 'config.policy': { one_of: ['local', 'redis'] } },
  'response-ratelimiting': { 'config.policy': { one_of: ['local', 'redis'] } },
}

export interface NodeKind {
  readonly databaseLess: boolean
  readonly auto: AutoValues
}

/** The schema of a plugin as one node knows it: with the secrets that Kong draws when it starts. */
export function schemaOnNode(name: string, schema: SchemaSpec, { databaseLess, auto }: NodeKind): SchemaSpec {
  if (name === 'session') {
    const secret = `${auto.randomString()}${auto.randomString()}`.slice(0, 44)
    return withRules(schema, { 'config.secret': { default: secret } })
  }
  const rules = databaseLess ? WITHOUT_DATABASE[name] : undefined
  return rules ? withRules(schema, rules) : schema
}
