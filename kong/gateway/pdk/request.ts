import { normalizePath } from '../../entities/paths.ts'
import { PLUGIN_BODY_BYTES } from '../proxy/body.ts'
import type { Exchange } from '../proxy/exchange.ts'
import { parseQuery } from '../proxy/query.ts'
import { maximum, text } from './arguments.ts'
import { parseBody } from './body.ts'
import { everywhere, Nil, type PdkEvent, type PdkHost, whileServed } from './call.ts'
import { fromBytes, headersFromBytes } from './text.ts'

const path = (exchange: Exchange): string => fromBytes(normalizePath(exchange.rawPath))

const isPort = (port: number) => Number.isInteger(port) && port >= 1 && port <= 65_535

function forwardedPort(exchange: Exchange): number {
  const named = Number(exchange.forwarded('x-forwarded-port') ?? Number.NaN)
  if (isPort(named)) return named
  const ofHost = Number(/:(\d+)/.exec(exchange.forwarded('x-forwarded-host') ?? '')?.[1] ?? Number.NaN)
  return isPort(ofHost) ? ofHost : exchange.serverPort
}

function first(value: unknown): unknown {
  return Array.isArray(value) ? value[0] : value
}

const BODY_TOO_LARGE =
  "request body did not fit into client body buffer, consider raising 'client_body_buffer_size'"

async function rawBody(body: Exchange['body']): Promise<Buffer | Nil> {
  return (await body.whole(PLUGIN_BODY_BYTES)) ?? new Nil(BODY_TOO_LARGE)
}

async function bodyValues({ exchange }: PdkEvent, _: PdkHost, args: readonly unknown[]): Promise<unknown> {
  const [mimetype, max] = args
  const type = mimetype ? text(mimetype, 'mimetype') : exchange.headers.get('content-type')
  if (type === undefined) return undefined
  const body = await exchange.body.whole(PLUGIN_BODY_BYTES)
  return body && parseBody(body, type, maximum(max, 'max_args'))
}

/** `kong.request`. */
export const request = {
  ...whileServed({
    'kong.request.get_scheme': ({ exchange }) => exchange.scheme,
    'kong.request.get_host': ({ exchange }) => exchange.host,
    'kong.request.get_port': ({ exchange }) => exchange.serverPort,
    'kong.request.get_forwarded_scheme': ({ exchange }) =>
      exchange.forwarded('x-forwarded-proto')?.toLowerCase() ?? exchange.scheme,
    'kong.request.get_forwarded_host': ({ exchange }) =>
      exchange
        .forwarded('x-forwarded-host')
        ?.replace(/^[^@]*@/, '')
        .replace(/:.*$/, '')
        .toLowerCase() ?? exchange.host,
    'kong.request.get_forwarded_port': ({ exchange }) => forwardedPort(exchange),
    'kong.request.get_forwarded_path': ({ exchange }) =>
      exchange.forwarded('x-forwarded-path') ?? path(exchange),
    'kong.request.get_forwarded_prefix': ({ exchange }) =>
      exchange.forwarded('x-forwarded-prefix') ?? exchange.forwardedPrefix,
    'kong.request.get_http_version': ({ exchange }) => exchange.httpVersion,
    'kong.request.get_method': ({ exchange }) => exchange.method,
    'kong.request.get_path': ({ exchange }) => path(exchange),
    'kong.request.get_raw_path': ({ exchange }) => exchange.rawPath,
    'kong.request.get_path_with_query': ({ exchange }) => exchange.requestUri,
    'kong.request.get_raw_query': ({ exchange }) => exchange.rawQuery ?? '',
    'kong.request.get_query_arg': ({ exchange }, _, [name]) =>
      first(exchange.query[text(name, 'query argument name')]),
    'kong.request.get_query': ({ exchange }, _, [max]) => {
      const count = maximum(max, 'max_args')
      return count === 100 ? exchange.query : parseQuery(exchange.rawQuery ?? '', count)
    },
    'kong.request.get_raw_body': ({ exchange }) => rawBody(exchange.body),
    'kong.request.get_body': bodyValues,
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
