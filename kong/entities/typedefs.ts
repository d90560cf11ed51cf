import { isIP } from 'node:net'
import type { FieldSpec } from '../schema/spec.ts'
import { isProblem, parseHost } from './address.ts'
import { checkRouterPath, checkUriPath } from './paths.ts'

/** Fields that many schemas share, with Kong's checks and messages. */

export const PROTOCOLS = ['grpc', 'grpcs', 'http', 'https', 'tcp', 'tls', 'tls_passthrough', 'udp'] as const
const HTTP_PROTOCOLS = ['grpc', 'grpcs', 'http', 'https']

export const uuid: FieldSpec = { type: 'string', uuid: true, auto: true }
export const seconds: FieldSpec = { type: 'integer', timestamp: true, auto: true }
export const milliseconds: FieldSpec = { type: 'number', timestamp: true, auto: true }

/** A foreign field that must stay empty, such as the consumer of an authentication plugin. */
export const noConsumer: FieldSpec = {
  type: 'foreign',
  reference: 'consumers',
  eq: null,
  description: 'Custom type for representing a foreign key with a null value allowed.',
}

/** Names may hold anything beyond ASCII; of ASCII only what needs no escaping in a path. */
export const name: FieldSpec = {
  type: 'string',
  unique: true,
  custom_validator: (value: string) =>
    /^(?:[A-Za-z0-9._~-]|\P{ASCII})+$/u.test(value)
      ? undefined
      : `invalid value '${value}': the only accepted ascii characters are alphanumerics or ., -, _, and ~`,
}

export const tags: FieldSpec = {
  type: 'set',
  elements: {
    type: 'string',
    required: true,
    custom_validator: (value: string) =>
      /^(?:[ !-+\-.0-~]|\P{ASCII})+$/u.test(value)
        ? undefined
        : `invalid tag '${value}': expected printable ascii (except \`,\` and \`/\`) or valid utf-8 sequences`,
  },
}

export const protocol: FieldSpec = { type: 'string', one_of: PROTOCOLS }

export const protocols: FieldSpec = {
  type: 'set',
  required: true,
  default: HTTP_PROTOCOLS,
  elements: protocol,
}

export const httpProtocols: FieldSpec = {
  type: 'set',
  required: true,
  default: HTTP_PROTOCOLS,
  elements: { type: 'string', one_of: HTTP_PROTOCOLS, len_min: 1, required: true },
  description: 'A set of strings representing HTTP protocols.',
}

export const port: FieldSpec = { type: 'integer', between: [0, 65_535] }

export const timeoutMs: FieldSpec = { type: 'integer', between: [1, 2 ** 31 - 2], default: 60_000 }

function checkHost(host: string): string | undefined {
  const parsed = parseHost(host)
  if (isProblem(parsed))
    return parsed.problem === 'invalid port number' ? 'must not have a port' : `invalid value: ${host}`
  return parsed.port === undefined ? undefined : 'must not have a port'
}

function checkHostAndPort(host: string): string | undefined {
  const parsed = parseHost(host)
  return isProblem(parsed) ? parsed.problem : undefined
}

export const host: FieldSpec = { type: 'string', custom_validator: checkHost }
export const hostAndPort: FieldSpec = { type: 'string', custom_validator: checkHostAndPort }

function checkServerName(text: string): string | undefined {
  const parsed = parseHost(text)
  if (!isProblem(parsed) && parsed.type !== 'name') return 'must not be an IP'
  return checkHost(text)
}

export const sni: FieldSpec = { type: 'string', custom_validator: checkServerName }

export const wildcardHost: FieldSpec = {
  type: 'string',
  custom_validator(value: string) {
    const at = value.indexOf('*')
    if (at < 0) return checkServerName(value)
    if (at !== 0 && at !== value.length - 1) return 'wildcard must be leftmost or rightmost character'
    if (value.indexOf('*', at + 1) >= 0) return 'only one wildcard must be specified'
    return checkServerName(value.replace('*', 'wildcard'))
  },
}

export const path: FieldSpec = {
  type: 'string',
  starts_with: '/',
  match_none: [{ pattern: '//', err: 'must not have empty segments' }],
  custom_validator: checkUriPath,
}

export const headerName: FieldSpec = {
  type: 'string',
  description: 'A string representing an HTTP header name.',
  custom_validator: (value: string) =>
    /^[a-zA-Z0-9-_]+$/.test(value)
      ? undefined
      : `bad header name '${value}', allowed characters are A-Z, a-z, 0-9, '_', and '-'`,
}

export const cookieName: FieldSpec = {
  type: 'string',
  custom_validator: (value: string) =>
    /^[!#$%&'*+\-.^_`|~A-Za-z0-9]+$/.test(value)
      ? undefined
      : `invalid token '${value}', allowed characters are 0-9, a-z, A-Z, and !#$%&'*+-.^_\`|~`,
}

export const headers: FieldSpec = {
  type: 'map',
  keys: headerName,
  values: { type: 'array', elements: { type: 'string' } },
}

function isAddressRange(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/')
  const version = isIP(address)
  if (version === 0 || rest.length > 0) return false
  return prefix === undefined || (/^\d+$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128))
}

export const addressRanges: FieldSpec = {
  type: 'set',
  elements: {
    type: 'record',
    fields: [
      {
        ip: {
          type: 'string',
          custom_validator: (value: string) =>
            isAddressRange(value) ? undefined : `invalid ip or cidr range: '${value}'`,
        },
      },
      { port },
    ],
    entity_checks: [{ at_least_one_of: ['ip', 'port'] }],
  },
}

export const methods: FieldSpec = { type: 'set', elements: { type: 'string', match: '^%u+$' } }

export const hosts: FieldSpec = {
  type: 'array',
  elements: {
    type: 'string',
    match_all: [{ pattern: '^[^*]*%*?[^*]*$', err: 'invalid wildcard: must have at most one wildcard' }],
    match_any: {
      patterns: ['^%*%.', '%.%*$', '^[^*]*$'],
      err: 'invalid wildcard: must be placed at leftmost or rightmost label',
    },
    custom_validator: (value: string) => checkHostAndPort(value.replaceAll('*', 'abc')),
  },
}

export const routerPaths: FieldSpec = {
  type: 'array',
  elements: {
    type: 'string',
    match_any: {
      patterns: ['^/', '^~/'],
      err: 'should start with: / (fixed path) or ~/ (regex path)',
    },
    match_none: [{ pattern: '//', err: 'must not have empty segments' }],
    custom_validator: checkRouterPath,
  },
}

/** The consumer that a credential belongs to and goes with. */
export const owner: FieldSpec = {
  type: 'foreign',
  reference: 'consumers',
  required: true,
  on_delete: 'cascade',
}
