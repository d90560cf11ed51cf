/** What is compared on a real Kong: one service a case, key-auth on each. */

export interface Case {
  /** Name of the service, and its path. */
  readonly name: string
  /** What the table calls it. */
  readonly title: string
  readonly plugins: readonly object[]
}

/** What the load needs; far above what a machine can serve, unless a case says otherwise. */
const PLENTY_PER_MINUTE = 6_000_000

/** Kong's own plugin lets every request pass when Redis refuses it, so the password matters. */
export interface RedisAddress {
  readonly host: string
  readonly port: number
  readonly password?: string
}

interface Ports {
  /** For files that plugins write. */
  readonly folder: string
  readonly upstream: number
  readonly redis: RedisAddress
  readonly log: number
  /** Name in Kong of a plugin that runs in go-pdk's server; undefined: there is none. */
  readonly goPlugin?: string | undefined
}

function limits(perMinute: number) {
  const second = { name: 'second', requests: Math.ceil(perMinute / 15), per: 1 }
  const minute = { name: 'minute', requests: perMinute, per: 60 }
  const hour = { name: 'hour', requests: perMinute * 60, per: 3600 }
  return [second, minute, hour]
}

const qosConfig = (perMinute: number, sync: 'strict' | 'leased') => ({
  default_tier: 'all',
  sync,
  tiers: { all: { limits: limits(perMinute) } },
})

function rateLimiting(
  policy: 'local' | 'redis',
  windows: 1 | 3,
  address: RedisAddress,
  minute = PLENTY_PER_MINUTE,
) {
  const counts = windows === 3 ? { second: minute, minute, hour: minute * 60 } : { minute }
  const redis = policy === 'redis' ? { redis: address } : {}
  return { name: 'rate-limiting', config: { policy, limit_by: 'consumer', ...counts, ...redis } }
}

export function casesOf({ redis, log, folder, goPlugin }: Ports): Case[] {
  const one = (name: string, title: string, ...plugins: object[]): Case => ({ name, title, plugins })
  const qos = (config: object) => ({ name: 'qos', config })
  const all = { qos: qosConfig(PLENTY_PER_MINUTE, 'leased'), circuit_breaker: {}, key_auth_audit: {} }
  const nothing = { limits: [{ name: 'day', requests: 1, per: 86_400 }] }
  return [
    one('plain', 'key-auth only'),
    one('calls-0', 'a plugin without a PDK call', { name: 'calls-0' }),
    one('calls-2', 'a plugin with two PDK calls', { name: 'calls-2' }),
    one('pdk-calls-2', "the same two in kong-pdk's server", { name: 'pdk-calls-2' }),
    ...(goPlugin === undefined
      ? []
      : [one('go', "two PDK calls in go-pdk's server", { name: goPlugin, config: {} })]),
    one('pdk-qos', "qos, three windows, strict, in kong-pdk's server", {
      name: 'pdk-qos',
      config: qosConfig(PLENTY_PER_MINUTE, 'strict'),
    }),
    one('rl-local', "Kong's rate-limiting, one window, local", rateLimiting('local', 1, redis)),
    one('rl-redis', "Kong's rate-limiting, one window, redis", rateLimiting('redis', 1, redis)),
    one('rl-redis-3', "Kong's rate-limiting, three windows, redis", rateLimiting('redis', 3, redis)),
    one('qos-strict', 'qos, three windows, strict', qos(qosConfig(PLENTY_PER_MINUTE, 'strict'))),
    one(
      'qos-strict-kong-headers',
      "the same with Kong's fields too: eleven instead of two",
      qos({ ...qosConfig(PLENTY_PER_MINUTE, 'strict'), kong_headers: true }),
    ),
    one(
      'qos-strict-no-fields',
      'the same without fields',
      qos({ ...qosConfig(PLENTY_PER_MINUTE, 'strict'), hide_client_headers: true }),
    ),
    one('qos-leased', 'qos, three windows, leased', qos(qosConfig(PLENTY_PER_MINUTE, 'leased'))),
    one('qos-leased-no-fields', 'the same without fields', {
      name: 'qos',
      config: { ...qosConfig(PLENTY_PER_MINUTE, 'leased'), hide_client_headers: true },
    }),
    one('qos-service', 'qos by service, three windows, leased', {
      name: 'qos',
      config: { ...qosConfig(PLENTY_PER_MINUTE, 'leased'), limit_by: ['service'] },
    }),
    one('qos-leased-100', 'qos, leased, 100 a minute', qos(qosConfig(100, 'leased'))),
    one('qos-leased-100k', 'qos, leased, 100,000 a minute', qos(qosConfig(100_000, 'leased'))),
    one('breaker', 'circuit-breaker, closed', { name: 'circuit-breaker', config: {} }),
    one('log-0', 'a log phase without a PDK call', { name: 'log-0' }),
    one('log-few', 'a log phase with six PDK calls', { name: 'log-few' }),
    one('log-serialize', 'a log phase with log.serialize', { name: 'log-serialize' }),
    one('log-first', 'the same, ended in the write that asks', { name: 'log-first' }),
    one('rl-and-log', "Kong's rate-limiting (redis) and http-log", rateLimiting('redis', 1, redis), {
      name: 'http-log',
      config: { http_endpoint: `http://127.0.0.1:${log}/`, queue: { max_batch_size: 200 } },
    }),
    one('floor', 'a plugin with the calls of sluice and request-log', { name: 'floor' }),
    one('sluice', 'sluice: qos, breaker and audit composed', {
      name: 'sluice',
      config: all,
    }),
    one('sluice-received', 'sluice, its audit acknowledged when received', {
      name: 'sluice',
      config: { ...all, key_auth_audit: { acknowledge: 'received' } },
    }),
    one('header', "Kong's request-transformer, one header", {
      name: 'request-transformer',
      config: { add: { headers: ['Sluice-Token:a header as long as a token is not'] } },
    }),
    one('token', 'upstream-token', { name: 'upstream-token', config: {} }),
    one('token-lean', 'upstream-token without a user', {
      name: 'upstream-token',
      config: { claims_from: [] },
    }),
    one('sluice-token', 'sluice with upstream-token', {
      name: 'sluice',
      config: { ...all, upstream_token: {} },
    }),
    one('sluice-token-lean', 'sluice with upstream-token without a user', {
      name: 'sluice',
      config: { ...all, upstream_token: { claims_from: [] } },
    }),
    one('file-log', "Kong's file-log", { name: 'file-log', config: { path: `${folder}/file-log.jsonl` } }),
    one('request-log', 'request-log, lines', { name: 'request-log', config: { trace: false } }),
    one('request-log-trace', 'request-log, lines and traces', { name: 'request-log', config: {} }),
    one('sluice-log', 'sluice with request-log, lines', {
      name: 'sluice',
      config: { ...all, request_log: { trace: false } },
    }),
    one('sluice-log-received', 'the same, its audit acknowledged when received', {
      name: 'sluice',
      config: { ...all, key_auth_audit: { acknowledge: 'received' }, request_log: { trace: false } },
    }),
    one('sluice-trace', 'sluice with request-log, lines and traces', {
      name: 'sluice',
      config: { ...all, request_log: {} },
    }),
    one('sluice-all', 'sluice with upstream-token and request-log', {
      name: 'sluice',
      config: { ...all, upstream_token: { claims_from: [] }, request_log: {} },
    }),
    one('reject-rl-redis', "all rejected: Kong's rate-limiting, redis", rateLimiting('redis', 1, redis, 1)),
    one('exit-0', 'all rejected: a plugin that does nothing else', { name: 'exit-0' }),
    one('exit-1', 'all rejected: a plugin that asks for the consumer', { name: 'exit-1' }),
    one('reject-qos', 'all rejected: qos', qos({ default_tier: 'none', tiers: { none: nothing } })),
  ]
}

export function declarationOf(cases: readonly Case[], upstreamPort: number): object {
  return {
    _format_version: '3.0',
    services: cases.map(({ name, plugins }) => ({
      name,
      url: `http://127.0.0.1:${upstreamPort}`,
      routes: [{ name, paths: [`/${name}`] }],
      plugins: [{ name: 'key-auth' }, ...plugins],
    })),
    consumers: [{ username: 'eddie', keyauth_credentials: [{ key: 'bench-key' }] }],
  }
}
