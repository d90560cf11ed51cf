import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import path from 'node:path'
import { messageOf, SluiceError } from './errors.ts'
import { fileFault } from './file-fault.ts'

type Kind = 'text' | 'url' | 'urls' | 'path' | 'integer' | 'address' | 'level' | 'flag' | 'choice'

interface SettingSpec {
  readonly env: `SLUICE_${string}`
  readonly kind: Kind
  readonly default: string | number | boolean | undefined
  /** What it means, with its unit. */
  readonly doc: string
  readonly secret?: true
  readonly min?: number
  readonly max?: number
  /** For `url` and `urls`: the schemes that are accepted. */
  readonly schemes?: readonly string[]
  /** For `text`. */
  readonly minLength?: number
  /** For `choice`. */
  readonly choices?: readonly string[]
}

/**
 * Every setting: its variable, kind, default and meaning. A secret may instead be read from a file, named by the
 * same variable with `_FILE` behind it.
 */
export const SETTINGS = {
  socket: {
    env: 'SLUICE_SOCKET',
    kind: 'path',
    default: '.sluice/run/sluice.sock',
    doc: 'unix socket on which Kong finds the plugin server',
  },
  socketGroup: {
    env: 'SLUICE_SOCKET_GROUP',
    kind: 'text',
    default: undefined,
    doc: 'group of the socket (mode 0660), so that the user of Kong may connect',
  },
  redisUrl: {
    env: 'SLUICE_REDIS_URL',
    kind: 'urls',
    default: undefined,
    schemes: ['redis', 'rediss', 'redis+unix', 'redis+sentinel', 'rediss+sentinel'],
    secret: true,
    doc: 'shared state: redis://host:6379/3 (3 is the database) or redis+unix:///path/to/socket?db=3; several URLs, comma-separated, mean Redis Cluster, or sentinels (redis+sentinel://host:26379/master); unset: memory, one node',
  },
  redisDeadlineMs: {
    env: 'SLUICE_REDIS_DEADLINE_MS',
    kind: 'integer',
    default: 30,
    min: 1,
    max: 10_000,
    doc: 'how long a request waits for Redis, milliseconds',
  },
  redisStrictDeadlineMs: {
    env: 'SLUICE_REDIS_STRICT_DEADLINE_MS',
    kind: 'integer',
    default: 250,
    min: 1,
    max: 10_000,
    doc: 'how long a request under strict limits waits for Redis, milliseconds',
  },
  nodes: {
    env: 'SLUICE_NODES',
    kind: 'integer',
    default: 4,
    min: 1,
    max: 10_000,
    doc: 'how many plugin server processes share Redis at most, workers included; a process that cannot reach Redis assumes this number until it knows how many are alive',
  },
  postgresUrl: {
    env: 'SLUICE_POSTGRES_URL',
    kind: 'url',
    default: undefined,
    schemes: ['postgres', 'postgresql'],
    secret: true,
    doc: 'event sink; unset: events stay in the spool',
  },
  amqpUrl: {
    env: 'SLUICE_AMQP_URL',
    kind: 'url',
    default: undefined,
    schemes: ['amqp', 'amqps'],
    secret: true,
    doc: 'event sink; unset: events stay in the spool',
  },
  spoolDir: {
    env: 'SLUICE_SPOOL_DIR',
    kind: 'path',
    default: '.sluice/spool',
    doc: 'folder of the event spool',
  },
  spoolMaxBytes: {
    env: 'SLUICE_SPOOL_MAX_BYTES',
    kind: 'integer',
    default: 1_073_741_824,
    min: 1_048_576,
    doc: 'size of the event spool, bytes; above it the newest events are dropped and counted',
  },
  eventRetentionDays: {
    env: 'SLUICE_EVENT_RETENTION_DAYS',
    kind: 'integer',
    default: 90,
    min: 1,
    max: 36_500,
    doc: 'how long PostgreSQL keeps events, days; older partitions are dropped',
  },
  fingerprintSecret: {
    env: 'SLUICE_FINGERPRINT_SECRET',
    kind: 'text',
    default: undefined,
    secret: true,
    doc: 'HMAC key for credentials in audit events; key-auth-audit requires it',
  },
  fingerprintOldSecrets: {
    env: 'SLUICE_FINGERPRINT_OLD_SECRETS',
    kind: 'text',
    default: undefined,
    secret: true,
    doc: 'secrets of before, separated by white space: `sluice fingerprint` and `sluice audit` find a key under them too',
  },
  tokenKeysDir: {
    env: 'SLUICE_TOKEN_KEYS_DIR',
    kind: 'path',
    default: undefined,
    doc: 'folder of the keys that sign upstream tokens, the same on all nodes; upstream-token requires it',
  },
  jwksListen: {
    env: 'SLUICE_JWKS_LISTEN',
    kind: 'address',
    default: 'off',
    doc: 'host and port where services fetch the public halves of these keys (`/.well-known/jwks.json`); `off` for none',
  },
  proxyUrl: {
    env: 'SLUICE_PROXY_URL',
    kind: 'url',
    default: undefined,
    schemes: ['http', 'https'],
    doc: "Kong's own proxy, for those that call through it (cache, aggregate, catalogue)",
  },
  loopbackSecret: {
    env: 'SLUICE_LOOPBACK_SECRET',
    kind: 'text',
    default: undefined,
    secret: true,
    minLength: 32,
    doc: 'signs such calls, so that plugins recognise them; at least 32 characters, the same on all nodes',
  },
  pluginsOnError: {
    env: 'SLUICE_PLUGINS_ON_ERROR',
    kind: 'choice',
    default: 'closed',
    choices: ['closed', 'open'],
    doc: "when a module written for Kong's JavaScript plugin server fails or is late: `closed` rejects the request, `open` lets it pass",
  },
  pluginsDeadlineMs: {
    env: 'SLUICE_PLUGINS_DEADLINE_MS',
    kind: 'integer',
    default: 60_000,
    min: 10,
    max: 60_000,
    doc: 'how long a phase of such a module may take, milliseconds; at 60,000 the answer still leaves a second before Kong gives up',
  },
  http: {
    env: 'SLUICE_HTTP',
    kind: 'address',
    default: '127.0.0.1:9542',
    doc: 'host and port of /metrics, /healthz, /readyz; `off` for none',
  },
  logLevel: {
    env: 'SLUICE_LOG_LEVEL',
    kind: 'level',
    default: 'info',
    doc: 'fatal, error, warn, info, debug, trace or silent',
  },
  node: {
    env: 'SLUICE_NODE',
    kind: 'text',
    default: undefined,
    doc: 'name of this node in events and metrics; unset: the host name',
  },
  adminUrl: {
    env: 'SLUICE_ADMIN_URL',
    kind: 'url',
    default: 'http://127.0.0.1:8001',
    schemes: ['http', 'https'],
    secret: true,
    doc: "Kong's Admin API; user and password become Basic credentials",
  },
  managerListen: {
    env: 'SLUICE_MANAGER_LISTEN',
    kind: 'address',
    default: '127.0.0.1:9543',
    doc: 'host and port of the management API and the dashboard; anything but loopback needs TLS in front of it',
  },
  catalogueListen: {
    env: 'SLUICE_CATALOGUE_LISTEN',
    kind: 'address',
    default: '127.0.0.1:9544',
    doc: 'host and port of the catalogue (list of APIs, merged OpenAPI document), read only and without a login; `off` for none',
  },
  catalogueAppDir: {
    env: 'SLUICE_CATALOGUE_APP_DIR',
    kind: 'path',
    default: undefined,
    doc: 'folder of static files that the catalogue serves below /app/; unset: none',
  },
  managerPublicUrl: {
    env: 'SLUICE_MANAGER_PUBLIC_URL',
    kind: 'url',
    default: undefined,
    schemes: ['http', 'https'],
    doc: 'URL under which browsers reach the manager; unset: that of SLUICE_MANAGER_LISTEN',
  },
  managerTrustedProxies: {
    env: 'SLUICE_MANAGER_TRUSTED_PROXIES',
    kind: 'text',
    default: undefined,
    doc: 'addresses and networks of reverse proxies, comma-separated, whose X-Forwarded-For tells the address of a client (pauses of logins, sessions, events); unset: none is trusted',
  },
  managerKey: {
    env: 'SLUICE_MANAGER_KEY',
    kind: 'text',
    default: undefined,
    secret: true,
    doc: 'keys that seal secrets at rest, a line each, `id:base64` of 32 bytes, the one in use first; `sluice manager key` makes one',
  },
  managerToken: {
    env: 'SLUICE_MANAGER_TOKEN',
    kind: 'text',
    default: undefined,
    secret: true,
    doc: 'token of an operator, for `sluice manager change`',
  },
  managerPostgresUrl: {
    env: 'SLUICE_MANAGER_POSTGRES_URL',
    kind: 'url',
    default: undefined,
    schemes: ['postgres', 'postgresql'],
    secret: true,
    doc: "the manager's database; unset: SLUICE_POSTGRES_URL",
  },
  managerSpoolDir: {
    env: 'SLUICE_MANAGER_SPOOL_DIR',
    kind: 'path',
    default: '.sluice/manager-spool',
    doc: "folder of the manager's own event spool",
  },
  managerAllowUpstreams: {
    env: 'SLUICE_MANAGER_ALLOW_UPSTREAMS',
    kind: 'text',
    default: undefined,
    doc: 'networks (CIDR, comma-separated) to which services may point although they are loopback or link-local',
  },
  managerEditorVaults: {
    env: 'SLUICE_MANAGER_EDITOR_VAULTS',
    kind: 'text',
    default: undefined,
    doc: 'prefixes of vaults (comma-separated) whose secrets editors may refer to; others are for admins',
  },
  managerDrift: {
    env: 'SLUICE_MANAGER_DRIFT',
    kind: 'choice',
    default: 'adopt',
    choices: ['adopt', 'report'],
    doc: 'what becomes of changes that were made to Kong past the manager: `adopt` takes them over, `report` lists them under /v1/drift',
  },
  managerMetricsUrls: {
    env: 'SLUICE_MANAGER_METRICS_URLS',
    kind: 'urls',
    default: undefined,
    schemes: ['http', 'https'],
    doc: "what the overview is made of: /metrics of Kong's Status API and of the plugin servers, comma-separated",
  },
  managerReadOnly: {
    env: 'SLUICE_MANAGER_READ_ONLY',
    kind: 'flag',
    default: false,
    doc: 'refuses every change, for maintenance',
  },
} as const satisfies Record<string, SettingSpec>

export interface Address {
  readonly host: string
  readonly port: number
}

/** The validated settings. Paths are absolute. */
export interface Settings {
  readonly socket: string
  readonly socketGroup: string | undefined
  readonly redisUrl: readonly string[] | undefined
  readonly redisDeadlineMs: number
  readonly redisStrictDeadlineMs: number
  readonly nodes: number
  readonly postgresUrl: string | undefined
  readonly amqpUrl: string | undefined
  readonly spoolDir: string
  readonly spoolMaxBytes: number
  readonly eventRetentionDays: number
  readonly fingerprintSecret: string | undefined
  readonly fingerprintOldSecrets: string | undefined
  readonly tokenKeysDir: string | undefined
  /** Undefined when switched off. */
  readonly jwksListen: Address | undefined
  readonly proxyUrl: string | undefined
  readonly loopbackSecret: string | undefined
  readonly pluginsOnError: 'closed' | 'open'
  readonly pluginsDeadlineMs: number
  /** Undefined when switched off. */
  readonly http: Address | undefined
  readonly logLevel: string
  readonly node: string
  readonly adminUrl: string
  /** Undefined when switched off. */
  readonly managerListen: Address | undefined
  readonly catalogueListen: Address | undefined
  readonly catalogueAppDir: string | undefined
  readonly managerPublicUrl: string | undefined
  readonly managerTrustedProxies: string | undefined
  readonly managerKey: string | undefined
  readonly managerToken: string | undefined
  readonly managerPostgresUrl: string | undefined
  readonly managerSpoolDir: string
  readonly managerAllowUpstreams: string | undefined
  readonly managerEditorVaults: string | undefined
  readonly managerDrift: 'adopt' | 'report'
  readonly managerMetricsUrls: readonly string[] | undefined
  readonly managerReadOnly: boolean
  /** All variables of Sluice as they were read: plugins declare settings of their own. Holds secrets. */
  readonly environment: Environment
}

export type Environment = Readonly<Record<string, string | undefined>>

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

/**
 * Reads and validates all settings at once.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID that names every wrong setting with its reason.
 */
export function readSettings(env: Environment = process.env): Settings {
  const { settings, problems } = inspectSettings(env)
  refuseSettings([...problems, ...misspeltVariables(env)])
  return settings
}

/** @throws SluiceError SLUICE_CONFIG_INVALID where there is a problem */
export function refuseSettings(problems: readonly string[]): void {
  if (problems.length > 0)
    throw new SluiceError('SLUICE_CONFIG_INVALID', `invalid settings:\n  ${problems.join('\n  ')}`, {
      details: { problems },
    })
}

/** The settings with what is wrong in them; a wrong one is undefined. */
export function inspectSettings(env: Environment): {
  readonly settings: Settings
  readonly problems: readonly string[]
} {
  const problems: string[] = []
  const values: Record<string, unknown> = {}
  for (const [name, spec] of Object.entries<SettingSpec>(SETTINGS)) {
    try {
      const text = readVariable(env, spec.env)
      values[name] = parse(spec, text === undefined ? spec.default : text)
    } catch (error) {
      problems.push(`${spec.env}: ${messageOf(error)}`)
    }
  }
  const environment = Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith('SLUICE_')))
  const settings = { ...values, node: values.node ?? hostname(), environment } as unknown as Settings
  return { settings, problems }
}

/**
 * A variable's value, or that of the file which the same variable with `_FILE` behind it names; undefined for neither,
 * and for an empty one.
 *
 * @throws where both are set, or the file can't be read
 */
export function readVariable(env: Environment, name: string): string | undefined {
  const direct = env[name]
  const file = env[`${name}_FILE`]
  if (file === undefined || file === '') return direct === '' ? undefined : direct
  if (direct !== undefined && direct !== '') throw new Error(`is set, and so is ${name}_FILE; keep one`)
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    throw new Error(`${name}_FILE: ${fileFault('read', file, error)}`)
  }
}

function parse(spec: SettingSpec, value: string | number | boolean | undefined): unknown {
  if (value === undefined) return undefined
  const text = String(value)
  const shown = spec.secret ? '(hidden)' : JSON.stringify(text)
  switch (spec.kind) {
    case 'text':
      if (text.length < (spec.minLength ?? 0)) throw new Error(`has fewer than ${spec.minLength} characters`)
      return text
    case 'path':
      return path.resolve(text)
    case 'flag':
      if (!['true', 'false', '1', '0', 'on', 'off'].includes(text))
        throw new Error(`${shown} is not a boolean (true, false, on, off, 1, 0)`)
      return ['true', '1', 'on'].includes(text)
    case 'choice':
      if (!spec.choices?.includes(text)) throw new Error(`${shown} is not one of ${spec.choices?.join(', ')}`)
      return text
    case 'level':
      if (!LEVELS.includes(text)) throw new Error(`${shown} is not one of ${LEVELS.join(', ')}`)
      return text
    case 'integer': {
      const number = Number(text)
      if (!/^\d+$/.test(text) || !Number.isSafeInteger(number)) throw new Error(`${shown} is not an integer`)
      if (number < (spec.min ?? 0)) throw new Error(`${shown} is below ${spec.min ?? 0}`)
      if (spec.max !== undefined && number > spec.max) throw new Error(`${shown} is above ${spec.max}`)
      return number
    }
    case 'url':
      return checkUrl(spec, text)
    case 'urls':
      return text.split(',').map(part => checkUrl(spec, part.trim()))
    case 'address':
      return text === 'off' ? undefined : parseAddress(text)
  }
}

function checkUrl(spec: SettingSpec, text: string): string {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new Error('is not a URL')
  }
  const scheme = url.protocol.slice(0, -1)
  if (spec.schemes && !spec.schemes.includes(scheme))
    throw new Error(`has the scheme ${scheme}://, not ${spec.schemes.map(s => `${s}://`).join(' or ')}`)
  return text
}

/** Parses `HOST:PORT`; an IPv6 host stands in brackets. */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (!match || port > 65_535) throw new Error(`${JSON.stringify(text)} is not HOST:PORT`)
  return { host: match[1] ?? match[2] ?? '', port }
}

/**
 * Variables that are no setting: a misspelt one would silently leave its default in force.
 *
 * @param declared the variables of the plugins' own settings.
 */
export function unknownVariables(env: Environment, declared: readonly string[]): string[] {
  const known = new Set([...VARIABLES, ...declared, ...declared.map(name => `${name}_FILE`)])
  return strangers(env)
    .filter(name => !known.has(name))
    .map(name => `${name}: is not a setting of Sluice or of a loaded plugin${suggestion(name, [...known])}`)
}

/** Where the plugins are not known, a variable may be one of theirs, unless it is almost one of ours. */
function misspeltVariables(env: Environment): string[] {
  return strangers(env)
    .map(name => ({ name, meant: suggestion(name, VARIABLES) }))
    .filter(({ meant }) => meant !== '')
    .map(({ name, meant }) => `${name}: is not a setting of Sluice${meant}`)
}

const VARIABLES: readonly string[] = Object.values<SettingSpec>(SETTINGS).flatMap(({ env }) => [
  env,
  `${env}_FILE`,
])

const strangers = (env: Environment): string[] =>
  Object.keys(env).filter(
    name => name.startsWith('SLUICE_') && !VARIABLES.includes(name) && !OUTSIDE_SETTINGS.test(name),
  )

/** `; did you mean …?` for the first that is nearly the same, or nothing. */
export function suggestion(name: string, known: readonly string[]): string {
  const near = known.find(one => editDistance(name, one) <= 2)
  return near === undefined ? '' : `; did you mean ${near}?`
}

/** How many letters must be put in, taken out or replaced to make one of the other (Wagner and Fischer). */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const [before = 0, above = 0] = row.slice(j - 1, j + 1)
      const replaced = before + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, above + 1, (next.at(-1) ?? 0) + 1))
    }
    row = next
  }
  return row.at(-1) ?? 0
}

/** Variables of the bootstrap, of `make` and of the tests, which the plugin server ignores. */
const OUTSIDE_SETTINGS = /^SLUICE_(YES$|TEST_|UP_|BENCH_|BUILD_|BIND$|ADMIN_|CONSUL_URL$|CHROMIUM$)/
