import { normalizePath } from '../router/path.ts'
import { maximum, text } from './arguments.ts'
import { everywhere, Nil, type PdkEvent, type PdkHost, whileServed } from './call.ts'
import type { Exchange } from './exchange.ts'
import { fromBytes, headersFromBytes } from './text.ts'

/** Kong's `client_body_buffer_size`: plugins see a body up to this size. */
const MAX_BODY_BYTES = 8 * 1024

const rawPath = ({ requestUri }: Exchange): string => {
  const mark = requestUri.indexOf('?', 1)
  return mark < 0 ? requestUri : requestUri.slice(0, mark)
}
const path = (exchange: Exchange): string => fromBytes(normalizePath(rawPath(exchange)))

/** A header of a proxy before us, where the client is trusted. */
const forwarded = (exchange: Exchange, name: string): string | undefined =>
  exchange.node.isTrusted(exchange.clientIp) ? exchange.headers.get(name) : undefined

const isPort = (port: number) => Number.isInteger(port) && port >= 1 && port <= 65_535

function forwardedPort(exchange: Exchange): number {
  const named = Number(forwarded(exchange, 'x-forwarded-port') ?? Number.NaN)
  if (isPort(named)) return named
  const ofHost = Number(/:(\d+)/.exec(forwarded(exchange, 'x-forwarded-host') ?? '')?.[1] ?? Number.NaN)
  return isPort(ofHost) ? ofHost : exchange.serverPort
}

function first(value: unknown): unknown {
  return Array.isArray(value) ? value[0] : value
}

const BODY_TOO_LARGE =
  "request body did not fit into client body buffer, consider raising 'client_body_buffer_size'"

async function rawBody(body: Exchange['body']): Promise<Buffer | Nil> {
  return (await body.whole(MAX_BODY_BYTES)) ?? new Nil(BODY_TOO_LARGE)
}

async function parsedBody({ exchange }: PdkEvent, _: PdkHost, args: readonly unknown[]): Promise<unknown> {
  const [mimetype, max] = args
  const type = mimetype ? text(mimetype, 'mimetype') : exchange.headers.get('content-type')
  if (type === undefined) return undefined
  const essence = type.toLowerCase().split(';', 1)[0]!
  const body = await exchange.body.whole(MAX_BODY_BYTES)
  if (body === undefined) return undefined
  if (essence.startsWith('application/x-www-form-urlencoded'))
    return parseForm(body.toString(), maximum(max, 'max_args'))
  if (essence.startsWith('application/json')) return parseJson(body.toString())
  if (essence.startsWith('multipart/form-data')) return parseMultipart(body, type)
  return undefined
}

type Arguments = Exchange['query']

function parseForm(body: string, max: number): Arguments {
  const fields: Record<string, string | true | (string | true)[]> = {}
  for (const part of body.split('&').slice(0, max)) {
    const [[name, value] = ['', '']] = new URLSearchParams(part)
    if (name === '') continue
    const one = part.includes('=') ? value : true
    const before = Object.hasOwn(fields, name) ? fields[name] : undefined
    fields[name] = before === undefined ? one : [...(Array.isArray(before) ? before : [before]), one]
  }
  return fields
}

/** The first so many values. */
function limited(query: Arguments, max: number): Arguments {
  let left = max
  const kept: Record<string, string | true | readonly (string | true)[]> = {}
  for (const [name, value] of Object.entries(query)) {
    if (left <= 0) break
    const count = typeof value === 'object' ? value.length : 1
    kept[name] = typeof value === 'object' && count > left ? value.slice(0, left) : value
    left -= count
  }
  return kept
}

function parseJson(json: string): unknown {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

/** The fields of a form, without what its files are called. */
function parseMultipart(body: Buffer, type: string): Record<string, string | string[]> | undefined {
  const boundary = /boundary="?([^";,]+)"?/i.exec(type)?.[1]
  if (boundary === undefined) return undefined
  const fields: Record<string, string | string[]> = {}
  for (const part of body.toString('latin1').split(`--${boundary}`).slice(1)) {
    const end = part.indexOf('\r\n\r\n')
    const name = /^content-disposition:.*?\bname="([^"]*)"/im.exec(part.slice(0, Math.max(end, 0)))?.[1]
    if (name === undefined) continue
    const value = fromBytes(part.slice(end + 4).replace(/\r\n$/, ''))
    const before = fields[name]
    fields[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value]
  }
  return fields
}

/** `kong.request`. */
export const request = {
  ...whileServed({
    'kong.request.get_scheme': ({ exchange }) => exchange.scheme,
    'kong.request.get_host': ({ exchange }) => exchange.host,
    'kong.request.get_port': ({ exchange }) => exchange.serverPort,
    'kong.request.get_forwarded_scheme': ({ exchange }) =>
      forwarded(exchange, 'x-forwarded-proto')?.toLowerCase() ?? exchange.scheme,
    'kong.request.get_forwarded_host': ({ exchange }) =>
      forwarded(exchange, 'x-forwarded-host')
        ?.replace(/^[^@]*@/, '')
        .replace(/:.*$/, '')
        .toLowerCase() ?? exchange.host,
    'kong.request.get_forwarded_port': ({ exchange }) => forwardedPort(exchange),
    'kong.request.get_forwarded_path': ({ exchange }) =>
      forwarded(exchange, 'x-forwarded-path') ?? path(exchange),
    'kong.request.get_forwarded_prefix': ({ exchange }) =>
      forwarded(exchange, 'x-forwarded-prefix') ?? exchange.forwardedPrefix,
    'kong.request.get_http_version': ({ exchange }) => exchange.httpVersion,
    'kong.request.get_method': ({ exchange }) => exchange.method,
    'kong.request.get_path': ({ exchange }) => path(exchange),
    'kong.request.get_raw_path': ({ exchange }) => rawPath(exchange),
    'kong.request.get_path_with_query': ({ exchange }) => exchange.requestUri,
    'kong.request.get_raw_query': ({ exchange }) => exchange.rawQuery ?? '',
    'kong.request.get_query_arg': ({ exchange }, _, [name]) =>
      first(exchange.query[text(name, 'query argument name')]),
    'kong.request.get_query': ({ exchange }, _, [max]) => {
      const count = maximum(max, 'max_args')
      return limited(exchange.query, count)
    },
    'kong.request.get_raw_body': ({ exchange }) => rawBody(exchange.body),
    'kong.request.get_body': parsedBody,
  }),
  ...everywhere({
    'kong.request.get_header': ({ exchange: { headers } }, _, [name]) => {
      const asked = text(name, 'header name')
      // nginx's variables for headers know no dashes.
      const value = headers.get(asked) ?? headers.get(asked.replaceAll('_', '-'))
      return value === undefined ? undefined : fromBytes(value)
    },
    'kong.request.get_headers': ({ exchange, phase }, _, [max]) =>
      headersFromBytes(exchange.headers.toRecord(phase === 'log' ? undefined : maximum(max, 'max_headers'))),
    'kong.request.get_start_time': ({ exchange }) => exchange.startedAtMs,
    'kong.request.get_uri_captures': ({ exchange }) => {
      const { unnamed, named } = exchange.match?.captures ?? { unnamed: [], named: {} }
      // The whole match is capture 0, which a list in Lua does not show; a group that took no part ends the list.
      const last = unnamed.findLastIndex(text => text !== '')
      return { unnamed: unnamed.slice(1, last + 1).map(fromBytes), named }
    },
  }),
}
