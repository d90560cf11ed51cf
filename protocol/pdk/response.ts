/** `kong.response` */
import { headers as headerSet, headerValue, integer, text } from './checks.ts'
import { headers, listsOf } from './decode.ts'
import type { HeaderMap, HeaderValue, HeaderWrites, Json } from './entities.ts'
import { ANSWERED, REQUEST } from './phases.ts'
import { upTo } from './request.ts'
import { call } from './row.ts'

export const response = {
  /** The status of the answer. */
  getStatus: call<() => Promise<number>>()({ phases: ANSWERED, wire: ['Empty', 'Int'] }),
  /** The first value of a header. */
  getHeader: call<(name: string) => Promise<string | undefined>>()({
    phases: ANSWERED,
    kind: 'readHeader',
    wire: ['String', 'String'],
    args: { name: text },
  }),
  /** The headers, 100 or `max` (1 to 1,000) at most. */
  getHeaders: call<(max?: number) => Promise<HeaderMap>>()({
    phases: ANSWERED,
    wire: ['Int', 'Struct'],
    step: 'StepMultiMap',
    args: upTo,
    decode: headers,
    toKongJs: listsOf,
  }),
  /** Who made the answer: the service, a plugin (`exit`), or Kong (`error`). */
  getSource: call<() => Promise<'service' | 'exit' | 'error'>>()({
    phases: ANSWERED,
    wire: ['Empty', 'String'],
  }),
  /** Kong's function of the body filter, which no plugin server has. */
  getRawBody: call<() => Promise<Uint8Array>>()({ phases: [] }),
  /** Sets the status. */
  setStatus: call<(status: number) => void>()({
    phases: REQUEST,
    kind: 'writeResponse',
    wire: ['Int', 'Empty'],
    args: { status: integer(100, 599) },
  }),
  /** Sets a header. Header writes are gathered and sent with the end of the event. */
  setHeader: call<(name: string, value: HeaderValue) => void>()({
    phases: REQUEST,
    kind: 'writeResponse',
    wire: ['KV', 'Empty'],
    args: { name: text, value: headerValue },
  }),
  /** Adds a value to a header. */
  addHeader: call<(name: string, value: HeaderValue) => void>()({
    phases: REQUEST,
    kind: 'writeResponse',
    wire: ['KV', 'Empty'],
    args: { name: text, value: headerValue },
  }),
  /** Removes a header. */
  clearHeader: call<(name: string) => void>()({
    phases: REQUEST,
    kind: 'writeResponse',
    wire: ['String', 'Empty'],
    args: { name: text },
  }),
  /** Sets several headers; one whose value is undefined is left alone. */
  setHeaders: call<(headers: HeaderWrites) => void>()({
    phases: REQUEST,
    kind: 'writeResponse',
    wire: ['Struct', 'Empty'],
    args: { headers: headerSet },
  }),
  /** Kong's function of the body filter, which no plugin server has. */
  setRawBody: call<(body: string | Uint8Array) => void>()({ phases: [], kind: 'writeResponse' }),
  /** Ends the request with this answer; an object becomes JSON. Never returns: it unwinds the handler. */
  exit: call<
    (status: number, body?: string | Uint8Array | object | null, headers?: HeaderWrites | null) => never
  >()({
    phases: ['rewrite', 'access', 'response', 'preread'],
    kind: 'exit',
    wire: ['ExitArgs', 'Empty'],
  }),
  /** Ends the request with Kong's own error body, in the type that the client accepts. */
  error: call<(status: number, message?: string | object | null, headers?: HeaderWrites | null) => never>()({
    phases: REQUEST,
    kind: 'exitWithError',
  }),
  /** Ends the request with a value as JSON. */
  json: call<(status: number, value: Json | object, headers?: HeaderWrites) => never>()({
    phases: REQUEST,
    kind: 'exitWithJson',
    isOwn: true,
  }),
}
