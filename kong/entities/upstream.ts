import type { FieldSpec, NamedField, SchemaSpec } from '../schema/spec.ts'
import { isProblem, parseHost } from './address.ts'
import { cookieName, headerName, headers, hostAndPort, path, seconds, sni, tags, uuid } from './typedefs.ts'

function checkName(name: string): string | undefined {
  const parsed = parseHost(name)
  const prefix = `Invalid name ('${name}'); `
  if (isProblem(parsed)) return `${prefix}must be a valid hostname`
  if (parsed.type !== 'name') return `${prefix}no ip addresses allowed`
  return parsed.port === undefined ? undefined : `${prefix}no port allowed`
}

const hashOn: FieldSpec = {
  type: 'string',
  default: 'none',
  one_of: ['none', 'consumer', 'ip', 'header', 'cookie', 'path', 'query_arg', 'uri_capture'],
}

const text: FieldSpec = { type: 'string', len_min: 1 }
const period: FieldSpec = { type: 'number', between: [0, 65_535] }
const count: FieldSpec = { type: 'integer', between: [0, 255] }

const field = (name: string, spec: FieldSpec, value: unknown): NamedField => ({
  [name]: { ...spec, default: value },
})
const statuses = (values: readonly number[]): NamedField =>
  field('http_statuses', { type: 'array', elements: { type: 'integer', between: [100, 999] } }, values)
const probeType = field('type', { type: 'string', one_of: ['tcp', 'http', 'https', 'grpc', 'grpcs'] }, 'http')
const failures: readonly NamedField[] = [
  field('tcp_failures', count, 0),
  field('timeouts', count, 0),
  field('http_failures', count, 0),
]

const ACTIVE_FAILURES = [429, 404, 500, 501, 502, 503, 504, 505]
const PASSIVE_SUCCESSES = [
  200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307, 308,
]

const record = (fields: readonly NamedField[]): FieldSpec => ({ type: 'record', required: true, fields })

const active = record([
  probeType,
  field('timeout', period, 1),
  field('concurrency', { type: 'integer', between: [1, 2 ** 31] }, 10),
  field('http_path', path, '/'),
  { https_sni: sni },
  field('https_verify_certificate', { type: 'boolean', required: true }, true),
  { headers },
  { healthy: record([field('interval', period, 0), statuses([200, 302]), field('successes', count, 0)]) },
  { unhealthy: record([field('interval', period, 0), statuses(ACTIVE_FAILURES), ...failures]) },
])

const passive = record([
  probeType,
  { healthy: record([statuses(PASSIVE_SUCCESSES), field('successes', count, 0)]) },
  { unhealthy: record([statuses([429, 500, 503]), ...failures]) },
])

/** When `field` has this value, the other field must satisfy `then`. */
const when = (field: string, value: string, thenField: string, then: FieldSpec) => ({
  conditional: {
    if_field: field,
    if_match: { match: `^${value}$` },
    then_field: thenField,
    then_match: then,
  },
})

/** A fallback that hashes on the same thing again would be of no use. */
const fallbacks = (value: string, others: readonly string[]) =>
  when('hash_on', value, 'hash_fallback', { one_of: others })

const hashChecks = [
  when('hash_on', 'header', 'hash_on_header', { required: true }),
  when('hash_fallback', 'header', 'hash_fallback_header', { required: true }),
  when('hash_on', 'cookie', 'hash_on_cookie', { required: true }),
  when('hash_fallback', 'cookie', 'hash_on_cookie', { required: true }),
  when('hash_on', 'none', 'hash_fallback', { one_of: ['none'] }),
  when('hash_on', 'cookie', 'hash_fallback', { one_of: ['none'] }),
  fallbacks('consumer', ['none', 'ip', 'header', 'cookie', 'path', 'query_arg', 'uri_capture']),
  fallbacks('ip', ['none', 'consumer', 'header', 'cookie', 'path', 'query_arg', 'uri_capture']),
  fallbacks('path', ['none', 'consumer', 'header', 'cookie', 'query_arg', 'ip', 'uri_capture']),
  { distinct: ['hash_on_header', 'hash_fallback_header'] },
  when('hash_on', 'query_arg', 'hash_on_query_arg', { required: true }),
  when('hash_fallback', 'query_arg', 'hash_fallback_query_arg', { required: true }),
  { distinct: ['hash_on_query_arg', 'hash_fallback_query_arg'] },
  when('hash_on', 'uri_capture', 'hash_on_uri_capture', { required: true }),
  when('hash_fallback', 'uri_capture', 'hash_fallback_uri_capture', { required: true }),
  { distinct: ['hash_on_uri_capture', 'hash_fallback_uri_capture'] },
]

export const upstream: SchemaSpec = {
  name: 'upstreams',
  fields: [
    { id: uuid },
    { created_at: seconds },
    { name: { type: 'string', required: true, unique: true, custom_validator: checkName } },
    { updated_at: seconds },
    {
      algorithm: {
        type: 'string',
        default: 'round-robin',
        one_of: ['consistent-hashing', 'least-connections', 'round-robin', 'latency'],
      },
    },
    { hash_on: hashOn },
    { hash_fallback: hashOn },
    { hash_on_header: headerName },
    { hash_fallback_header: headerName },
    { hash_on_cookie: cookieName },
    { hash_on_cookie_path: { ...path, default: '/' } },
    { hash_on_query_arg: text },
    { hash_fallback_query_arg: text },
    { hash_on_uri_capture: text },
    { hash_fallback_uri_capture: text },
    { slots: { type: 'integer', default: 10_000, between: [10, 2 ** 16] } },
    {
      healthchecks: record([
        { active },
        { passive },
        { threshold: { type: 'number', default: 0, between: [0, 100] } },
      ]),
    },
    { tags },
    { host_header: hostAndPort },
    { client_certificate: { type: 'foreign', reference: 'certificates' } },
    { use_srv_name: { type: 'boolean', default: false } },
  ],
  entity_checks: hashChecks,
  // Choosing an algorithm chooses what to hash on, and the other way round.
  shorthand_fields: [
    {
      algorithm: {
        type: 'string',
        func: (value: string | null) =>
          value === 'least-connections' || value === 'latency'
            ? { algorithm: value, hash_on: null }
            : { algorithm: value },
      },
    },
    {
      hash_on: {
        type: 'string',
        func: (value: string | null) => {
          if (value === null) return { hash_on: 'none' }
          if (value === 'none') return { hash_on: value, algorithm: 'round-robin' }
          return { hash_on: value, algorithm: 'consistent-hashing' }
        },
      },
    },
  ],
}
