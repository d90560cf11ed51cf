import type { HeaderValue } from '../proxy/header-map.ts'
import { headerValue, headerValues, isTransferEncoding, maximum, status, text } from './arguments.ts'
import { allow, type PdkEvent, type PdkHost } from './call.ts'
import { bufferOf, fromBytes, headersFromBytes, textOf } from './text.ts'

const limited = <T>(record: Record<string, T>, max: number): Record<string, T> =>
  Object.fromEntries(Object.entries(record).slice(0, max))

interface Sent {
  readonly headers: Readonly<Record<string, HeaderValue>>
}

function answered({ exchange, entry }: PdkEvent): Record<string, HeaderValue> {
  if (entry) return headersFromBytes((entry().response as Sent).headers)
  const connection = exchange.headers.get('connection')?.toLowerCase() === 'close' ? 'close' : 'keep-alive'
  return { connection, ...headersFromBytes(exchange.responseHeaders.toRecord()) }
}

function setHeaders({ exchange }: PdkEvent, headers: unknown): void {
  for (const [name, value] of headerValues(headers))
    if (!isTransferEncoding(name)) exchange.responseHeaders.set(name, value)
}

/** nil, text or a table, which becomes JSON. */
function exitBody(body: unknown): { bytes: Buffer | undefined; json: boolean } {
  if (body === undefined || body === null) return { bytes: undefined, json: false }
  if (typeof body === 'string' || body instanceof Uint8Array) return { bytes: bufferOf(body), json: false }
  if (typeof body !== 'object') throw new Error('body must be a nil, string or table')
  return { bytes: Buffer.from(JSON.stringify(body)), json: true }
}

function exit({ exchange }: PdkEvent, _: PdkHost, [code, body, headers]: readonly unknown[]): void {
  const checked = status(code)
  const { bytes, json } = exitBody(body)
  const given = headers === undefined || headers === null ? [] : headerValues(headers)
  const hasType = given.some(([name]) => /^content[-_]type$/i.test(name))
  exchange.respond(checked, bytes, {
    ...(json && !hasType && { 'Content-Type': 'application/json; charset=utf-8' }),
    ...Object.fromEntries(given),
  })
}

function error({ exchange }: PdkEvent, _: PdkHost, [code, message, headers]: readonly unknown[]): void {
  const checked = status(code, 400)
  const given = headers === undefined || headers === null ? [] : headerValues(headers)
  const shown =
    message === undefined || message === null
      ? undefined
      : typeof message === 'object' && !(message instanceof Uint8Array)
        ? JSON.stringify(message)
        : textOf(message)
  exchange.respondError(checked, shown, Object.fromEntries(given))
}

/** `kong.response` and `kong.service.response`. The calls of the body filter are for no plugin server. */
export const response = {
  ...allow(['response', 'log'], {
    'kong.response.get_status': ({ exchange }) => exchange.status,
    'kong.response.get_header': (event, _, [name]) => {
      const value = answered(event)[text(name, 'header name').toLowerCase()]
      return typeof value === 'object' ? value[0] : value
    },
    'kong.response.get_headers': (event, _, [max]) =>
      limited(answered(event), event.phase === 'log' ? 100 : maximum(max, 'max_headers')),
    'kong.response.get_source': ({ exchange }) => exchange.source,
  }),
  ...allow(['rewrite', 'access', 'response'], {
    'kong.response.set_status': ({ exchange }, _, [code]) => {
      exchange.status = status(code)
    },
    'kong.response.set_header': (event, _, [name, value]) =>
      setHeaders(event, { [text(name, 'header name')]: value }),
    'kong.response.add_header': ({ exchange }, _, [name, value]) => {
      exchange.responseHeaders.add(textOf(name), headerValue(name, value))
    },
    'kong.response.clear_header': ({ exchange }, _, [name]) => {
      exchange.responseHeaders.delete(text(name, 'header name'))
    },
    'kong.response.set_headers': (event, _, [headers]) => setHeaders(event, headers),
    'kong.response.exit': exit,
    'kong.response.error': error,
  }),
  ...allow(['response'], {
    'kong.service.response.get_status': ({ exchange }) => exchange.buffered?.status,
    'kong.service.response.get_header': ({ exchange }, _, [name]) => {
      const value = exchange.buffered?.headers.get(text(name, 'name'))
      return value === undefined ? undefined : fromBytes(value)
    },
    // Kong's table finds each header, but lists none where the response is held back: plugin servers get it empty.
    'kong.service.response.get_headers': (_, __, [max]) => limited({}, maximum(max, 'max_headers')),
    'kong.service.response.get_raw_body': ({ exchange }) => exchange.buffered?.body,
  }),
}
