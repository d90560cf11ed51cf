/** `kong.request` */
import { integer, text } from './checks.ts'
import { bytes, bytesToText, headers, listsOf, object, query } from './decode.ts'
import type { HeaderMap, Json, QueryMap, UriCaptures } from './entities.ts'
import { REQUEST, REQUEST_AND_LOG, WITH_VARIABLES } from './phases.ts'
import { type CheckArguments, call } from './row.ts'

const readText = () => call<() => Promise<string>>()({ phases: REQUEST, wire: ['Empty', 'String'] })
const checkMax = integer(1, 1000)
/** Kong requires a positive maximum over ProtoBuf:1. */
export const upTo: CheckArguments = ([max = 100], name) => [checkMax(max, `${name}: max`)]

export const request = {
  /** Scheme of the request: `http` or `https`. */
  getScheme: readText(),
  /** Host of the request, lower case. */
  getHost: readText(),
  /** The port that the request came to. */
  getPort: call<() => Promise<number>>()({ phases: WITH_VARIABLES, wire: ['Empty', 'Int'] }),
  /** The same by `X-Forwarded-Proto`, where the peer is trusted. */
  getForwardedScheme: readText(),
  /** The same by `X-Forwarded-Host`, where the peer is trusted. */
  getForwardedHost: readText(),
  /** The same by `X-Forwarded-Port`, where the peer is trusted. */
  getForwardedPort: call<() => Promise<number>>()({ phases: REQUEST, wire: ['Empty', 'Int'] }),
  /** The path by `X-Forwarded-Path`, where the peer is trusted. */
  getForwardedPath: call<() => Promise<string>>()({ phases: REQUEST }),
  /** The prefix that the route strips. */
  getForwardedPrefix: call<() => Promise<string>>()({ phases: REQUEST }),
  /** 1.0, 1.1 or 2. */
  getHttpVersion: call<() => Promise<number>>()({ phases: REQUEST, wire: ['Empty', 'Number'] }),
  /** Method of the request, upper case. */
  getMethod: readText(),
  /** The normalised path, without the query. */
  getPath: readText(),
  /** The path as the client sent it, not normalised. */
  getRawPath: call<() => Promise<string>>()({ phases: REQUEST }),
  /** The path with its query. */
  getPathWithQuery: readText(),
  /** The query without its question mark; empty for none. */
  getRawQuery: call<() => Promise<string>>()({
    phases: REQUEST,
    wire: ['Empty', 'String'],
    decode: reply => reply ?? '',
  }),
  /** The first value of an argument of the query. */
  getQueryArg: call<(name: string) => Promise<string | undefined>>()({
    phases: REQUEST,
    wire: ['String', 'String'],
    args: { name: text },
  }),
  /** The arguments of the query, 100 or `max` (1 to 1,000) at most. */
  getQuery: call<(max?: number) => Promise<QueryMap>>()({
    phases: REQUEST,
    wire: ['Int', 'Struct'],
    step: 'StepMultiMap',
    args: upTo,
    decode: query,
    toKongJs: listsOf,
  }),
  /** The first value of a header. From the second name on, all headers are read at once and remembered. */
  getHeader: call<(name: string) => Promise<string | undefined>>()({
    phases: REQUEST_AND_LOG,
    kind: 'readHeader',
    wire: ['String', 'String'],
    args: { name: text },
  }),
  /** The headers, 100 or `max` (1 to 1,000) at most. */
  getHeaders: call<(max?: number) => Promise<HeaderMap>>()({
    phases: REQUEST_AND_LOG,
    wire: ['Int', 'Struct'],
    step: 'StepMultiMap',
    args: upTo,
    decode: headers,
    toKongJs: listsOf,
  }),
  /** The body's bytes. A large one, which nginx keeps in a file, is read from there; SLUICE_PDK_BODY where it can't be. */
  getRawBody: call<() => Promise<Uint8Array>>()({
    phases: REQUEST,
    kind: 'readRawBody',
    wire: ['Empty', 'RawBodyResult'],
    decode: rawBody,
    toKongJs: bytesToText,
  }),
  /** The body, parsed by its type or `type`: JSON, a form or its parts; undefined for others, and a malformed one. */
  getBody: call<(type?: string) => Promise<Json | undefined>>()({
    phases: REQUEST,
    kind: 'readParsedBody',
    args: ([type], name) => (type === undefined || type === null ? [] : [text(type, `${name}: type`)]),
  }),
  /** When the request began, milliseconds since the epoch. */
  getStartTime: call<() => Promise<number>>()({ phases: REQUEST_AND_LOG }),
  /** What the path's regular expression captured. */
  getUriCaptures: call<() => Promise<UriCaptures>>()({
    phases: REQUEST_AND_LOG,
    wire: ['Empty', 'UriCapturesResult'],
    decode: uriCaptures,
  }),
}

export interface RawBody {
  readonly content?: Uint8Array
  readonly bodyFilepath?: string
  readonly error?: string
}

/** MsgPack gives the bytes alone. */
function rawBody(reply: unknown): RawBody {
  if (reply instanceof Uint8Array || typeof reply === 'string') return { content: bytes(reply) }
  return object(reply) ?? {}
}

/** ProtoBuf gives bytes, and a map as a list of entries. */
function uriCaptures(value: unknown): UriCaptures {
  const { unnamed, named } = object(value) ?? {}
  const entries = Array.isArray(named)
    ? (named as { key?: string; value?: unknown }[]).map(entry => [entry.key ?? '', entry.value] as const)
    : Object.entries(object(named) ?? {})
  return {
    unnamed: (Array.isArray(unnamed) ? unnamed : []).map(written),
    named: Object.fromEntries(entries.map(([name, item]) => [name, written(item)])),
  }
}

const written = (item: unknown): string =>
  item instanceof Uint8Array ? Buffer.from(item).toString() : String(item ?? '')
