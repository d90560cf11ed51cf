/**
 * Where an answer is stored. Whoever may get another answer must have another key: the consumer, and every credential
 * that the request carries, since one consumer can stand for many users. Pure.
 */

import type { HeaderMap } from '../../sdk/sdk.ts'
import { joined } from './directives.ts'
import type { Encoding } from './encoding.ts'
import { hash } from './hash.ts'
import type { RequestLine } from './request.ts'

/** Fields by which a client says who it is, and those by which Kong tells the service who that is. */
const IDENTITY = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'x-consumer-id',
  'x-consumer-username',
  'x-consumer-custom-id',
  'x-credential-identifier',
  'x-credential-username',
  'x-anonymous-consumer',
  'x-authenticated-userid',
  'x-authenticated-groups',
  'x-client-cert',
])

/**
 * Fields by which a service may take the request for another one: its URL, its method, or where it was sent to. Kong
 * passes most of them on. Each value has answers of its own, so that nobody can plant one for the others.
 */
const REWRITING = new Set([
  ...['x-original-url', 'x-rewrite-url', 'x-original-uri', 'x-original-host', 'x-host'],
  ...['x-http-method-override', 'x-http-method', 'x-method-override'],
  ...['forwarded', 'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-scheme', 'x-forwarded-server'],
  ...['x-forwarded-prefix', 'x-forwarded-path', 'x-url-scheme', 'front-end-https'],
])

/** How an operator wants it. */
export interface KeyOptions {
  /** Names of fields and of arguments of the query that hold a key, lower case. */
  readonly keyNames: readonly string[]
  /** Fields that select the answer besides those that `Vary` names, lower case. */
  readonly varyHeaders: readonly string[]
  /** One answer for all: neither consumer nor credentials belong to the key. */
  readonly isShared: boolean
}

export interface KeyRules extends KeyOptions {
  /** Names of the fields that are part of the key, with `-` for `_`. */
  readonly fields: ReadonlySet<string>
}

export const createKeyRules = (options: KeyOptions): KeyRules => ({
  ...options,
  fields: new Set(
    options.isShared ? REWRITING : [...REWRITING, ...IDENTITY, ...options.keyNames.map(dashed)],
  ),
})

export interface KeyedRequest {
  readonly line: RequestLine
  readonly headers: HeaderMap
  readonly scheme: string
  /** Id of Kong's route: requests of one URL may go to different services. */
  readonly route: string
  readonly consumer: string | undefined
  readonly encoding: Encoding
}

/** The names of an answer. None of them can be turned back into a credential. */
export class Names {
  /** Of all variants by `Vary`. */
  readonly primary: string
  readonly host: string
  readonly scheme: string
  /** Path and sorted query without credentials, for whoever purges. */
  readonly target: string
  readonly #rawPath: string
  #path: string | undefined

  constructor(request: KeyedRequest, rules: KeyRules) {
    const { line, headers, scheme, route, consumer, encoding } = request
    const query = splitQuery(line.query, rules.keyNames)
    this.host = hostOf(headers)
    this.scheme = scheme
    this.target = query.rest === '' ? line.path : `${line.path}?${query.rest}`
    this.#rawPath = line.path
    this.primary = hash(
      JSON.stringify([
        route,
        scheme,
        this.host,
        this.target,
        encoding,
        rules.varyHeaders.map(name => headers[name] ?? null),
        line.authority ?? null,
        fieldsOf(headers, rules.fields),
        // A part of the URL, which the service sees: its answer may hold it.
        query.credentials,
        rules.isShared ? null : [consumer ?? null],
      ]),
    )
  }

  /** Of all answers of a path, whoever asked: what an unsafe request invalidates. A hit does not need it. */
  get path(): string {
    this.#path ??= pathName(this.host, this.#rawPath)
    return this.#path
  }
}

/** Kong, and services behind WSGI and CGI, take `X_Host` and `X-Host` for the same field, and Kong passes both on. */
const dashed = (name: string) => (name.includes('_') ? name.replaceAll('_', '-') : name)

function fieldsOf(headers: HeaderMap, meant: ReadonlySet<string>): unknown[] {
  const fields: [string, unknown][] = []
  for (const name in headers) if (meant.has(dashed(name))) fields.push([name, headers[name]])
  return fields.length < 2 ? fields : fields.sort(([a], [b]) => (a < b ? -1 : 1))
}

export const hostOf = (headers: HeaderMap): string => (joined(headers.host) ?? '').toLowerCase()

export const pathName = (host: string, path: string): string => hash(JSON.stringify([host, path]))

/** The name of one variant: the fields that the answer's `Vary` names. */
export function variantName(primary: string, vary: readonly string[], headers: HeaderMap): string {
  if (vary.length === 0) return primary
  return hash(JSON.stringify([primary, ...vary.map(name => [name, joined(headers[name])?.trim() ?? null])]))
}

interface Query {
  /** Sorted by name; those of one name keep their order. */
  readonly rest: string
  readonly credentials: readonly string[]
}

function splitQuery(query: string, keyNames: readonly string[]): Query {
  if (query === '') return { rest: '', credentials: [] }
  const rest: (readonly [name: string, argument: string])[] = []
  const credentials: string[] = []
  let isSorted = true
  let last = ''
  for (const argument of query.split('&')) {
    const name = nameOf(argument)
    if (keyNames.includes(name.toLowerCase())) {
      credentials.push(argument)
      continue
    }
    isSorted &&= last <= name
    last = name
    rest.push([name, argument])
  }
  if (isSorted && credentials.length === 0) return { rest: query, credentials }
  rest.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  return { rest: rest.map(([, argument]) => argument).join('&'), credentials }
}

function nameOf(argument: string): string {
  const equals = argument.indexOf('=')
  const name = equals < 0 ? argument : argument.slice(0, equals)
  if (!/[%+]/.test(name)) return name
  try {
    return decodeURIComponent(name.replaceAll('+', ' '))
  } catch {
    return name
  }
}
