/** `kong.service`, `kong.service.request`, `kong.service.response` */
import * as check from './checks.ts'
import { bytes, bytesToText, headers, isTrue, listsOf } from './decode.ts'
import type { HeaderMap, HeaderValue, HeaderWrites } from './entities.ts'
import { ACCESS, RESPONSE, TO_UPSTREAM } from './phases.ts'
import { upTo } from './request.ts'
import { call } from './row.ts'

const milliseconds = check.integer(1, 2_147_483_646)

export const service = {
  /** Sends the request to an upstream entity; false where there is none of that name. */
  setUpstream: call<(name: string) => Promise<boolean>>()({
    phases: ACCESS,
    kind: 'readEachTime',
    wire: ['String', 'Bool'],
    args: { name: check.text },
    decode: isTrue,
  }),
  /** Sends the request to a host and port; all tries go there. */
  setTarget: call<(host: string, port: number) => void>()({
    // Kong's check allows it in rewrite too, where its balancer's data are not there yet, and the client gets 500.
    phases: ['access', 'preread'],
    kind: 'write',
    wire: ['Target', 'Empty'],
    args: { host: check.text, port: check.integer(0, 65_535) },
  }),
  /** How often Kong tries again. */
  setRetries: call<(retries: number) => void>()({
    phases: ACCESS,
    kind: 'write',
    args: { retries: check.integer(0, 32_767) },
  }),
  /** How long Kong waits for the service, milliseconds. */
  setTimeouts: call<(connectMs: number, writeMs: number, readMs: number) => void>()({
    phases: ACCESS,
    kind: 'write',
    args: { connectMs: milliseconds, writeMs: milliseconds, readMs: milliseconds },
  }),
}

export const serviceRequest = {
  /** Makes Kong hold back the answer, so that the response phase can read its body. */
  enableBuffering: call<() => void>()({ phases: TO_UPSTREAM, kind: 'writeRequest' }),
  /** Sets the scheme. */
  setScheme: call<(scheme: 'http' | 'https') => void>()({
    phases: TO_UPSTREAM,
    kind: 'writeRequest',
    wire: ['String', 'Empty'],
    args: { scheme: check.oneOf('http', 'https') },
  }),
  /** Sets the path, which begins with `/`. */
  setPath: call<(path: string) => void>()({
    phases: TO_UPSTREAM,
    kind: 'writeRequest',
    wire: ['String', 'Empty'],
    args: { path: check.path },
  }),
  /** Sets the query, without its question mark. */
  setRawQuery: call<(query: string) => void>()({
    phases: TO_UPSTREAM,
    kind: 'writeRequest',
    wire: ['String', 'Empty'],
    args: { query: check.anyText },
  }),
  /** Sets the method, upper case. */
  setMethod: call<(method: string) => void>()({
    phases: TO_UPSTREAM,
    kind: 'writeRequest',
    wire: ['String', 'Empty'],
    args: { method: check.oneOf(...check.METHODS_ACCEPTED) },
  }),
  /** Sets the arguments of the query. */
  setQuery: call<(args: Readonly<Record<string, string | number | boolean | readonly string[]>>) => void>()({
    phases: TO_UPSTREAM,
    kind: 'writeRequest',
    wire: ['Struct', 'Empty'],
    args: { args: check.queryArgs },
  }),
  /** Takes an argument out of the query; Kong writes the others anew, a bare `b` as `b=`. */
  clearQueryArg: call<(name: string) => void>()({
    phases: TO_UPSTREAM,
    kind: 'writeRequest',
    args: { name: check.text },
  }),
  /** Sets a header. */
  setHeader: call<(name: string, value: HeaderValue) => void>()({
    phases: TO_UPSTREAM,
    kind: 'writeRequest',
    wire: ['KV', 'Empty'],
    args: { name: check.text, value: check.headerValue },
  }),
  /** Adds a value to a header. */
  addHeader: call<(name: string, value: HeaderValue) => void>()({
    phases: TO_UPSTREAM,
    kind: 'writeRequest',
    wire: ['KV', 'Empty'],
    args: { name: check.text, value: check.headerValue },
  }),
  /** Removes a header. */
  clearHeader: call<(name: string) => void>()({
    phases: TO_UPSTREAM,
    kind: 'writeRequest',
    wire: ['String', 'Empty'],
    args: { name: check.text },
  }),
  /** Sets several headers; one whose value is undefined is left alone. */
  setHeaders: call<(headers: HeaderWrites) => void>()({
    phases: TO_UPSTREAM,
    kind: 'writeRequest',
    wire: ['Struct', 'Empty'],
    args: { headers: check.headers },
  }),
  /** Replaces the body. */
  setRawBody: call<(body: string | Uint8Array) => void>()({
    phases: TO_UPSTREAM,
    kind: 'writeRequest',
    wire: ['ByteString', 'Empty'],
    args: { body: check.bytes },
  }),
}

export const serviceResponse = {
  /** The status that the service answered. */
  getStatus: call<() => Promise<number>>()({ phases: RESPONSE, wire: ['Empty', 'Int'] }),
  /** The first value of one of its headers. */
  getHeader: call<(name: string) => Promise<string | undefined>>()({
    phases: RESPONSE,
    kind: 'readHeader',
    wire: ['String', 'String'],
    args: { name: check.text },
  }),
  /** Its headers. Kong 3.9 gives none in the response phase: `response.getHeaders` has them. */
  getHeaders: call<(max?: number) => Promise<HeaderMap>>()({
    phases: RESPONSE,
    wire: ['Int', 'Struct'],
    step: 'StepMultiMap',
    args: upTo,
    decode: headers,
    toKongJs: listsOf,
  }),
  /** Its body's bytes. */
  getRawBody: call<() => Promise<Uint8Array>>()({
    phases: RESPONSE,
    wire: ['Empty', 'ByteString'],
    decode: bytes,
    toKongJs: bytesToText,
  }),
}
