/** Checks of arguments: what Kong raises an error for ends the event here too (kong/pdk/private/checks.lua of 3.9). */
import type { HeaderValue } from '../proxy/header-map.ts'
import { textOf, toBytes } from './text.ts'

const isText = (value: unknown): boolean => typeof value === 'string' || value instanceof Uint8Array

export function text(value: unknown, what: string): string {
  if (!isText(value)) throw new Error(`${what} must be a string`)
  return textOf(value)
}

export function integer(value: unknown, what: string, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value)) throw new Error(`${what} must be an integer`)
  if (value < min || value > max)
    throw new Error(`${what} must be an integer between ${min} and ${max}: given ${value}`)
  return value
}

/** How many headers or arguments are wanted at most; nil is nginx's own 100. */
export function maximum(value: unknown, what: string): number {
  if (value === undefined || value === null) return 100
  if (typeof value !== 'number') throw new Error(`${what} must be a number`)
  if (value < 1) throw new Error(`${what} must be >= 1`)
  if (value > 1000) throw new Error(`${what} must be <= 1000`)
  return value
}

export function status(value: unknown, min = 100): number {
  if (typeof value !== 'number') throw new Error('code must be a number')
  if (value < min || value > 599) throw new Error(`code must be a number between ${min} and 599`)
  return value
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it is about
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/g
const escaped = (character: string) =>
  `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`

/** nginx drops an empty header, so Kong writes a space; control characters it escapes. */
const line = (value: string): string => (value === '' ? ' ' : toBytes(value).replace(CONTROL, escaped))

export function headerValue(name: unknown, value: unknown): HeaderValue {
  if (!isText(name)) throw new Error(`invalid header name "${name}": got ${typeof name}, expected string`)
  if (isText(value)) return line(textOf(value))
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (Array.isArray(value)) {
    return value.map(one => {
      if (!isText(one))
        throw new Error(`invalid header value in array "${textOf(name)}": got ${typeof one}, expected string`)
      return line(textOf(one))
    })
  }
  // Kong reads the list part of a table, and there is none in a map.
  if (typeof value === 'object' && value !== null) return []
  throw new Error(`invalid header value for "${textOf(name)}": got ${typeof value}`)
}

export function headerValues(headers: unknown): [name: string, value: HeaderValue][] {
  if (typeof headers !== 'object' || headers === null) throw new Error('headers must be a table')
  // A table of Lua holds no nil.
  const present = Object.entries(headers).filter(([, value]) => value !== null && value !== undefined)
  return present.map(([name, value]) => [name, headerValue(name, value)])
}

/** nginx writes the framing of a response by itself. */
export const isTransferEncoding = (name: string): boolean => /^transfer[-_]encoding$/i.test(name)
