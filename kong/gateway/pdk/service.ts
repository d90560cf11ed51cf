import type { Destination, Exchange } from '../proxy/exchange.ts'
import { escapePath } from '../router/path.ts'
import { headerValue, headerValues, integer, text } from './arguments.ts'
import { allow, Nil, type PdkEvent } from './call.ts'
import { bufferOf, toBytes } from './text.ts'

const METHODS = new Set(
  'GET HEAD PUT POST DELETE OPTIONS MKCOL COPY MOVE PROPFIND PROPPATCH LOCK UNLOCK PATCH TRACE'.split(' '),
)
const MAX_TIMEOUT_MS = 2_147_483_646

/** The rewrite phase comes before the router, when there is no way to the upstream yet. */
function destinationOf({ destination }: Exchange): Destination {
  if (!destination) throw new Error('there is no upstream to change yet')
  return destination
}

function setHeader({ exchange }: PdkEvent, name: string, value: unknown, mode: 'set' | 'add'): void {
  const checked = headerValue(name, value)
  if (name.toLowerCase() === 'host') {
    const host = typeof checked === 'string' ? checked : checked[0]
    if (exchange.destination && host !== undefined) exchange.destination.hostHeader = host
  }
  if (typeof checked === 'object' && checked.length === 0) {
    if (mode === 'set') exchange.headers.delete(name)
  } else exchange.headers[mode](name, checked)
}

/** `kong.service` and `kong.service.request`. */
export const service = {
  ...allow(['access'], {
    'kong.service.set_upstream': ({ exchange }, _, [name]) => {
      const host = text(name, 'host')
      if (!exchange.lookup.find('upstreams', 'name', host))
        return new Nil(`could not find an Upstream named '${host}'`)
      destinationOf(exchange).host = host
      return true
    },
    'kong.service.set_retries': ({ exchange }, _, [retries]) => {
      destinationOf(exchange).retries = integer(retries, 'retries', 0, 32_767)
    },
    'kong.service.set_timeouts': ({ exchange }, _, [connect, write, read]) => {
      const destination = destinationOf(exchange)
      destination.connectTimeoutMs = integer(connect, 'connect_timeout', 1, MAX_TIMEOUT_MS)
      integer(write, 'write_timeout', 1, MAX_TIMEOUT_MS)
      destination.readTimeoutMs = integer(read, 'read_timeout', 1, MAX_TIMEOUT_MS)
    },
  }),
  ...allow(['rewrite', 'access'], {
    'kong.service.set_target': ({ exchange }, _, [host, port]) => {
      const destination = destinationOf(exchange)
      destination.host = text(host, 'host')
      destination.port = integer(port, 'port', 0, 65_535)
      destination.hostHeader = destination.host
    },
    'kong.service.request.enable_buffering': ({ exchange }) => {
      exchange.buffering = true
    },
    'kong.service.request.set_scheme': ({ exchange }, _, [scheme]) => {
      const checked = text(scheme, 'scheme')
      if (checked !== 'http' && checked !== 'https') throw new Error(`invalid scheme: ${checked}`)
      destinationOf(exchange).scheme = checked
    },
    'kong.service.request.set_path': ({ exchange }, _, [path]) => {
      const checked = text(path, 'path')
      if (!checked.startsWith('/')) throw new Error('path must start with /')
      destinationOf(exchange).path = escapePath(toBytes(checked))
    },
    'kong.service.request.set_raw_query': ({ exchange }, _, [query]) => {
      exchange.setRawQuery(toBytes(text(query, 'query')))
    },
    'kong.service.request.clear_query_arg': ({ exchange }, _, [name]) => {
      exchange.clearArgument(text(name, 'query argument name'))
    },
    'kong.service.request.set_method': ({ exchange }, _, [method]) => {
      const checked = text(method, 'method')
      if (!METHODS.has(checked)) throw new Error(`invalid method: ${checked}`)
      exchange.method = checked
    },
    'kong.service.request.set_query': ({ exchange }, _, [args]) => {
      if (typeof args !== 'object' || args === null) throw new Error('args must be a table')
      exchange.setQuery(args as Record<string, unknown>)
    },
    'kong.service.request.set_header': (event, _, [name, value]) => {
      setHeader(event, text(name, 'header'), value, 'set')
    },
    'kong.service.request.add_header': (event, _, [name, value]) => {
      setHeader(event, text(name, 'header'), value, 'add')
    },
    'kong.service.request.clear_header': ({ exchange }, _, [name]) => {
      exchange.headers.delete(text(name, 'header'))
    },
    'kong.service.request.set_headers': (event, _, [headers]) => {
      headerValues(headers)
      for (const [name, value] of Object.entries(headers as object)) setHeader(event, name, value, 'set')
    },
    'kong.service.request.set_raw_body': ({ exchange }, _, [body]) => {
      if (typeof body !== 'string' && !(body instanceof Uint8Array)) throw new Error('body must be a string')
      exchange.body.replace(bufferOf(body))
    },
  }),
}
