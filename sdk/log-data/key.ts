import { header, record, type Serialized, text, values } from './serialized.ts'

/** What the log data shows of the key that a request carried. */
export type KeySight =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'one'
      readonly location: 'header' | 'query'
      readonly name: string
      /** The very bytes of the key; undefined where the log data has spoilt them (they were no UTF-8). */
      readonly bytes: Buffer | undefined
    }
  | { readonly kind: 'several'; readonly location: 'header' | 'query'; readonly name: string }

/**
 * Looks for the key as Kong's key-auth does: for each name the header first, then the query; the first found counts,
 * and several values of it are refused. Query values are taken from the request line, where percent-encoding keeps
 * bytes that are not UTF-8, and where they stay when key-auth hides credentials.
 */
export function findKey(log: Serialized, keyNames: readonly string[]): KeySight {
  const request = record(log.request)
  const query = queryOf(text(request.uri) ?? '')
  for (const name of keyNames) {
    const inHeader = values(record(request.headers)[name.toLowerCase().replaceAll('_', '-')])
      .concat(name.includes('_') ? values(record(request.headers)[name.toLowerCase()]) : [])
      .filter(value => value !== '')
    if (inHeader.length > 1) return { kind: 'several', location: 'header', name }
    const [value] = inHeader
    if (value !== undefined) {
      return {
        kind: 'one',
        location: 'header',
        name,
        bytes: isSpoilt(value) ? undefined : Buffer.from(value),
      }
    }
    const inQuery = query.filter(pair => pair.name === name && pair.value.length > 0)
    if (inQuery.length > 1) return { kind: 'several', location: 'query', name }
    const [pair] = inQuery
    if (pair) return { kind: 'one', location: 'query', name, bytes: pair.value }
  }
  return { kind: 'none' }
}

/** Every text under which the request's keys could show up elsewhere in its log data. */
export function keyTexts(log: Serialized, keyNames: readonly string[]): readonly string[] {
  const request = record(log.request)
  const found = new Set<string>()
  const query = queryOf(text(request.uri) ?? '')
  for (const name of keyNames) {
    const lower = name.toLowerCase()
    for (const header of [lower, lower.replaceAll('_', '-')])
      for (const value of values(record(request.headers)[header])) found.add(value)
    for (const pair of query) if (pair.name === name) found.add(pair.value.toString()).add(pair.raw)
  }
  found.delete('')
  return [...found]
}

const isSpoilt = (value: string) => value.includes('\ufffd')

interface QueryPair {
  readonly name: string
  /** Decoded. */
  readonly value: Buffer
  /** As it stands in the request line. */
  readonly raw: string
}

function queryOf(uri: string): QueryPair[] {
  const start = uri.indexOf('?')
  if (start === -1) return []
  const pairs = []
  for (const part of uri.slice(start + 1).split('&')) {
    const equals = part.indexOf('=')
    if (equals === -1) continue
    const raw = part.slice(equals + 1)
    pairs.push({ name: percentDecode(part.slice(0, equals)).toString(), value: percentDecode(raw), raw })
  }
  return pairs
}

/** As nginx decodes a query argument: `+` is a space, and a broken escape stands for itself. */
function percentDecode(encoded: string): Buffer {
  const source = Buffer.from(encoded)
  const bytes = Buffer.alloc(source.length)
  let length = 0
  for (let at = 0; at < source.length; at++) {
    const hex = source[at] === 0x25 ? source.toString('latin1', at + 1, at + 3) : ''
    if (/^[0-9a-fA-F]{2}$/.test(hex)) {
      bytes[length++] = Number.parseInt(hex, 16)
      at += 2
    } else bytes[length++] = source[at] === 0x2b ? 0x20 : source[at]!
  }
  return bytes.subarray(0, length)
}

/** Whether the request carried a credential of HTTP authentication; Kong has replaced it by `REDACTED`. */
export const hasAuthorization = (log: Serialized): boolean =>
  header(record(log.request).headers, 'authorization') !== undefined ||
  header(record(log.request).headers, 'proxy-authorization') !== undefined
