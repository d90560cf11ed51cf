import { isIP } from 'node:net'
import { isProblem, parseHost } from './address.ts'

/** The checks that fields of many schemas share, with Kong's messages. Each returns a complaint or nothing. */

/** Names may hold anything beyond ASCII; of ASCII only what needs no escaping in a path. */
export function checkName(value: string): string | undefined {
  return /^(?:[A-Za-z0-9._~-]|\P{ASCII})+$/u.test(value)
    ? undefined
    : `invalid value '${value}': the only accepted ascii characters are alphanumerics or ., -, _, and ~`
}

export function checkTag(value: string): string | undefined {
  return /^(?:[ !-+\-.0-~]|\P{ASCII})+$/u.test(value)
    ? undefined
    : `invalid tag '${value}': expected printable ascii (except \`,\` and \`/\`) or valid utf-8 sequences`
}

export function checkHost(host: string): string | undefined {
  const parsed = parseHost(host)
  if (isProblem(parsed))
    return parsed.problem === 'invalid port number' ? 'must not have a port' : `invalid value: ${host}`
  return parsed.port === undefined ? undefined : 'must not have a port'
}

export function checkHostAndPort(host: string): string | undefined {
  const parsed = parseHost(host)
  return isProblem(parsed) ? parsed.problem : undefined
}

/** A route's host, in which one label may be `*`. */
export const checkHostPattern = (value: string): string | undefined =>
  checkHostAndPort(value.replaceAll('*', 'abc'))

export function checkServerName(text: string): string | undefined {
  const parsed = parseHost(text)
  if (!isProblem(parsed) && parsed.type !== 'name') return 'must not be an IP'
  return checkHost(text)
}

/** A server name with at most one `*`, at its start or its end. */
export function checkWildcardName(value: string): string | undefined {
  const at = value.indexOf('*')
  if (at < 0) return checkServerName(value)
  if (at !== 0 && at !== value.length - 1) return 'wildcard must be leftmost or rightmost character'
  if (value.indexOf('*', at + 1) >= 0) return 'only one wildcard must be specified'
  return checkServerName(value.replace('*', 'wildcard'))
}

export function checkHeaderName(value: string): string | undefined {
  return /^[a-zA-Z0-9-_]+$/.test(value)
    ? undefined
    : `bad header name '${value}', allowed characters are A-Z, a-z, 0-9, '_', and '-'`
}

export function checkCookieName(value: string): string | undefined {
  return /^[!#$%&'*+\-.^_`|~A-Za-z0-9]+$/.test(value)
    ? undefined
    : `invalid token '${value}', allowed characters are 0-9, a-z, A-Z, and !#$%&'*+-.^_\`|~`
}

export function checkAddressRange(text: string): string | undefined {
  const [address = '', prefix, ...rest] = text.split('/')
  const version = isIP(address)
  const isPrefix =
    prefix === undefined || (/^\d+$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128))
  return version !== 0 && rest.length === 0 && isPrefix ? undefined : `invalid ip or cidr range: '${text}'`
}
