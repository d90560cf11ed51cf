/**
 * Checks of arguments before they reach Kong, where a wrong one answers the client 500. The rules are those of Kong's
 * PDK at 3.9.3, and two more: no empty names, no line breaks in headers.
 */
import { SluiceError } from '../../foundation/errors.ts'

export type Check = (value: unknown, what: string) => unknown

const refuse = (what: string): never => {
  throw new SluiceError('SLUICE_PDK_ARGUMENT', what)
}

export const text: Check = (value, what) =>
  typeof value === 'string' && value !== '' ? value : refuse(`${what} must be a non-empty string`)

export const anyText: Check = (value, what) =>
  typeof value === 'string' ? value : refuse(`${what} must be a string`)

export const bytes: Check = (value, what) =>
  typeof value === 'string' || value instanceof Uint8Array
    ? value
    : refuse(`${what} must be a string or bytes`)

export const flag: Check = (value, what) =>
  value === undefined || typeof value === 'boolean' ? value === true : refuse(`${what} must be a boolean`)

export const integer =
  (min: number, max: number): Check =>
  (value, what) =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max
      ? value
      : refuse(`${what} must be an integer from ${min} to ${max}, not ${String(value)}`)

export const oneOf =
  (...choices: readonly string[]): Check =>
  (value, what) =>
    choices.includes(value as string) ? value : refuse(`${what} must be one of ${choices.join(', ')}`)

export const path: Check = (value, what) =>
  typeof value === 'string' && value.startsWith('/')
    ? value
    : refuse(`${what} must be a path that starts with /`)

/** The fields of a consumer or a credential that Kong takes, or nothing. */
export const entity: Check = (value, what) => {
  if (value === undefined) return value
  if (typeof value !== 'object' || value === null) refuse(`${what} must be an object or undefined`)
  const { id, username, customId, consumerId } = value as Readonly<Record<string, unknown>>
  text(id, `${what}'s id`)
  const others = { username, customId, consumerId }
  for (const [name, field] of Object.entries(others))
    if (field !== undefined) text(field, `${what}'s ${name}`)
  return { id, ...Object.fromEntries(Object.entries(others).filter(([, field]) => field !== undefined)) }
}

/** JSON without what Kong can't take. */
export const json: Check = (value, what) => {
  checkJson(value, what, 0)
  return value
}

function checkJson(value: unknown, what: string, depth: number): void {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return
  if (typeof value === 'number' && Number.isFinite(value)) return
  if (typeof value !== 'object' || depth > 30) refuse(`${what} must be a JSON value`)
  for (const item of Object.values(value as object)) checkJson(item, what, depth + 1)
}

/** A line break would let a value forge further headers. */
const UNSAFE = /[\r\n\0]/
/** What nginx escapes in the value of a header that Lua sets (ngx_http_lua_util.c). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it is about
const ESCAPED_BY_NGINX = /[\x00-\x08\x0a-\x1f\x7f]/g

type HeaderText = (value: string, what: string) => string

const refuseUnsafe: HeaderText = (value, what) =>
  UNSAFE.test(value) ? refuse(`${what} must not contain a line break or a NUL`) : value

/** As nginx writes it (seen in 3.9.3). */
const escapeUnsafe: HeaderText = value =>
  UNSAFE.test(value) ? value.replace(ESCAPED_BY_NGINX, percentEncoded) : value

const percentEncoded = (character: string) =>
  `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`

/** Kong accepts only strings in a list, and writes a number as Lua does (1e+15), so all become strings here. */
const headerValueBy =
  (finish: HeaderText): Check =>
  (value, what) => {
    const one = (item: unknown) =>
      typeof item === 'string' || typeof item === 'number' || typeof item === 'boolean'
        ? finish(String(item), what)
        : refuse(`${what} must be a string, a number, a boolean or an array of them`)
    return Array.isArray(value) ? value.map(one) : one(value)
  }

const headersBy = (finish: HeaderText): Check => {
  const checkValue = headerValueBy(finish)
  return (value, what) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      refuse(`${what} must be an object`)
    const given = value as Readonly<Record<string, unknown>>
    const checked: Record<string, unknown> = {}
    for (const name of Object.keys(given)) {
      const item = given[name]
      // The message is made only where it is needed.
      if (name !== '' && typeof item === 'number') checked[name] = String(item)
      else if (name !== '' && typeof item === 'string' && !UNSAFE.test(item)) checked[name] = item
      else if (item !== undefined && item !== null)
        checked[name] = checkValue(item, `the value of ${text(name, `${what}: a header name`) as string}`)
    }
    return checked
  }
}

export const headerValue = headerValueBy(refuseUnsafe)
/** A map of names to values; a value that is undefined or null is absent, as in Kong. */
export const headers = headersBy(refuseUnsafe)

/** The same, with what would be refused escaped as nginx does. */
export const escapedHeaderValue = headerValueBy(escapeUnsafe)
export const escapedHeaders = headersBy(escapeUnsafe)

export const queryArgs: Check = (value, what) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(`${what} must be an object`)
  for (const [name, item] of Object.entries(value as object))
    for (const one of Array.isArray(item) ? item : [item])
      if (typeof one !== 'string' && typeof one !== 'number' && typeof one !== 'boolean')
        refuse(`the argument ${name} must be a string, a number, a boolean or an array of them`)
  return value
}

export const METHODS_ACCEPTED = [
  'GET',
  'HEAD',
  'PUT',
  'POST',
  'DELETE',
  'OPTIONS',
  'MKCOL',
  'COPY',
  'MOVE',
  'PROPFIND',
  'PROPPATCH',
  'LOCK',
  'UNLOCK',
  'PATCH',
  'TRACE',
] as const
