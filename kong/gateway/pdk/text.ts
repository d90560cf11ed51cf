/** Between the bytes of HTTP heads, which Node.js gives as latin1, and the text that crosses the plugin socket. */
import type { HeaderValue } from '../proxy/header-map.ts'

// biome-ignore lint/suspicious/noControlCharactersInRegex: everything but ASCII is meant
const ASCII = /^[\x00-\x7f]*$/

export const fromBytes = (text: string): string =>
  ASCII.test(text) ? text : Buffer.from(text, 'latin1').toString('utf8')

export const toBytes = (text: string): string =>
  ASCII.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1')

export const headersFromBytes = (
  headers: Readonly<Record<string, HeaderValue>>,
): Record<string, HeaderValue> => {
  for (const value of Object.values(headers))
    if (typeof value !== 'string' || !ASCII.test(value))
      return Object.fromEntries(
        Object.entries(headers).map(([name, one]) => [
          name,
          typeof one === 'string' ? fromBytes(one) : one.map(fromBytes),
        ]),
      )
  return headers
}

/** Whatever text or bytes a plugin sent. */
export const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : Buffer.from(value as Uint8Array).toString('utf8')

export const bufferOf = (value: unknown): Buffer =>
  typeof value === 'string' ? Buffer.from(value) : Buffer.from(value as Uint8Array)
