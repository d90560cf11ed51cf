type Kind = 'text' | 'url' | 'urls' | 'path' | 'integer' | 'address' | 'level' | 'flag' | 'choice'

export interface SettingSpec {
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
