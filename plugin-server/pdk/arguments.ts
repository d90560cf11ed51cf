/**
 * Checks of arguments before they reach Kong, where a wrong one answers the client 500. The rules are those of Kong's
 * PDK at 3.9.3, and two more: no empty names, and no line breaks in headers.
 */
import { SluiceError } from '../../foundation/errors.ts'

export type Check = (value: unknown, what: string) => unknown

const refuse = (what: string): never => {
  throw new SluiceError('SLUICE_PDK_ARGUMENT', what)
}

export const text: Check = (value, what) =>
  typeof value === 'string' && value !== '' ? value : refuse(`${what} must be a text that is not empty`)

export const anyText: Check = (value, what) =>
  typeof value === 'string' ? value : refuse(`${what} must be a text`)

export const bytes: Check = (value, what) =>
  typeof value === 'string' || value instanceof Uint8Array ? value : refuse(`${what} must be a text or bytes`)

export const flag: Check = (value, what) =>
  value === undefined || typeof value === 'boolean' ? value === true : refuse(`${what} must be true or false`)

export const wholeNumber =
  (min: number, max: number): Check =>
  (value, what) =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max
      ? value
      : refuse(`${what} must be a whole number from ${min} to ${max}, not ${String(value)}`)

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

/** Kong wants texts in a list, and writes a number as Lua does (1e+15), so all are turned into texts here. */
export const headerValue: Check = (value, what) => {
  if (Array.isArray(value)) return value.map(item => headerText(item, what))
  return headerText(value, what)
}

function headerText(value: unknown, what: string): string {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean')
    refuse(`${what} must be a text, a number or a list of them`)
  const written = String(value)
  if (UNSAFE.test(written)) refuse(`${what} must not hold a line break or a NUL`)
  return written
}

export const headers: Check = (value, what) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(`${what} must be an object`)
  const given = value as Readonly<Record<string, unknown>>
  const checked: Record<string, unknown> = {}
  for (const name of Object.keys(given)) {
    const item = given[name]
    // The message is made only where it is needed.
    if (name !== '' && typeof item === 'number') checked[name] = String(item)
    else if (name !== '' && typeof item === 'string' && !UNSAFE.test(item)) checked[name] = item
    else checked[name] = headerValue(item, `the value of ${text(name, `${what}: a header name`) as string}`)
  }
  return checked
}

export const queryArgs: Check = (value, what) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(`${what} must be an object`)
  for (const [name, item] of Object.entries(value as object))
    for (const one of Array.isArray(item) ? item : [item])
      if (typeof one !== 'string' && typeof one !== 'number' && typeof one !== 'boolean')
        refuse(`the argument ${name} must be a text, a number, true or a list of texts`)
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
