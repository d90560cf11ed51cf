import type { IncomingMessage, ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import { messageOf } from '../../../foundation/errors.ts'
import type { Logger } from '../../../foundation/log.ts'
import { escapePath } from '../router/path.ts'
import { errorBody, statusText } from './answers.ts'
import { RequestBody } from './body.ts'
import type { Configuration } from './configuration.ts'
import { type Destination, Exchange, type NodeFacts } from './exchange.ts'
import { forward } from './forward.ts'
import { CLOSING_STATUSES, refusedStatus, substituteFor } from './nginx.ts'
import type { ConfiguredPlugin } from './plugin-chain.ts'
import { finishHead, rawHead } from './response-head.ts'
import { tunnel } from './tunnel.ts'
import type { UpstreamPools } from './upstream-pool.ts'

export interface ProxyOptions {
  /** Read at the begin of each request, which keeps it to its end. */
  readonly configuration: () => Configuration
  readonly node: NodeFacts
  readonly pools: UpstreamPools
  readonly now: () => number
  readonly logger: Logger
}

/** What one connection upgrade brings along. */
export interface Upgrade {
  readonly head: Buffer
}

const DEFAULT_TIMEOUT_MS = 60_000
const DEFAULT_RETRIES = 5

/** Plugins whose later phases will run; none until the access phase, then the global ones run. */
const collected = new WeakMap<Exchange, ConfiguredPlugin[]>()

/** nginx's status for a client that left before its answer. */
const CLIENT_GONE = 499

export type Serve = (request: IncomingMessage, response: ServerResponse, upgrade?: Upgrade) => Promise<void>

/** Takes a request through Kong's phases: rewrite, routing, access, upstream, header filter, log. */
export function createProxy(options: ProxyOptions): Serve {
  const { node, pools, now, logger } = options

  return async (request, response, upgrade) => {
    const configuration = options.configuration()
    const exchange = new Exchange(request, new RequestBody(request), node, configuration.snapshot, now())
    const sentBefore = request.socket.bytesWritten
    try {
      await serve(exchange, response, configuration, upgrade)
    } catch (error) {
      if (request.socket.destroyed && !response.headersSent) exchange.status = CLIENT_GONE
      else logger.error({ err: error, request: exchange.id }, 'a request failed inside the gateway')
      if (!response.headersSent && exchange.status !== CLIENT_GONE) {
        exchange.fail()
        sendExit(exchange, response, configuration)
      } else response.destroy()
    }
    await flushed(response)
    exchange.responseBytes = request.socket.bytesWritten - sentBefore
    exchange.requestMs = now() - exchange.startedAtMs
    for (const plugin of collected.get(exchange) ?? configuration.plan.globals) runLog(exchange, plugin)
  }

  async function serve(
    exchange: Exchange,
    response: ServerResponse,
    configuration: Configuration,
    upgrade: Upgrade | undefined,
  ): Promise<void> {
    const refused = refusedStatus(exchange)
    if (refused !== undefined) {
      // Nothing that follows on this connection is trusted.
      response.shouldKeepAlive = false
      exchange.exit = { status: refused, body: undefined }
      return sendExit(exchange, response, configuration)
    }
    await run(exchange, configuration.plan.globals, 'rewrite')
    if (!exchange.exit) route(exchange, configuration)
    if (!exchange.exit) await access(exchange, configuration)
    if (!exchange.exit && !exchange.service) exchange.respondError(503, 'no Service found with those values')
    if (exchange.exit) return sendExit(exchange, response, configuration)

    const onHead = () => {
      filterHead(exchange, configuration)
      return finishedHead(exchange, response)
    }
    const hold = !upgrade && (exchange.buffering || respondersOf(exchange).length > 0)
    const forwarding = { balancer: configuration.balancer, pools, now, onHead, hold }
    const isThrough =
      upgrade && exchange.headers.get('upgrade')?.toLowerCase() === 'websocket'
        ? await tunnel(exchange, response, upgrade.head, forwarding)
        : await forward(exchange, response, forwarding)
    if (isThrough && !exchange.buffered) return
    if (exchange.buffered) {
      await run(exchange, respondersOf(exchange), 'response')
      if (exchange.exit) return sendExit(exchange, response, configuration)
      return sendBuffered(exchange, response, onHead)
    }
    if (!exchange.exit) nginxError(exchange, exchange.status)
    sendExit(exchange, response, configuration)
  }

  function runLog(exchange: Exchange, plugin: ConfiguredPlugin): void {
    const log = plugin.handler.log
    if (!log) return
    const failed = (error: unknown) =>
      logger.error({ plugin: plugin.name, err: messageOf(error) }, 'a log phase failed')
    try {
      const running = log(exchange, plugin)
      if (running) running.catch(failed)
    } catch (error) {
      failed(error)
    }
  }

  async function run(
    exchange: Exchange,
    plugins: readonly ConfiguredPlugin[],
    phase: 'rewrite' | 'response',
  ): Promise<void> {
    for (const plugin of plugins) {
      const handle = plugin.handler[phase]
      // Kong guards its access phase only; a failure in another one is nginx's own error.
      if (handle && !exchange.exit) await guarded(exchange, plugin, handle, () => nginxError(exchange, 500))
    }
  }

  /** Collects every plugin of the request for its later phases, and runs the access phase until one answers. */
  async function access(exchange: Exchange, { plan }: Configuration): Promise<void> {
    const plugins: ConfiguredPlugin[] = []
    collected.set(exchange, plugins)
    for (const candidate of plan.candidates) {
      const plugin = candidate.find(exchange)
      if (!plugin) continue
      plugins.push(plugin)
      const handle = plugin.handler.access
      if (!handle || exchange.exit) continue
      const running = guarded(exchange, plugin, handle)
      if (running) await running
    }
  }

  /** A plugin that throws makes the answer a 500. */
  function guarded(
    exchange: Exchange,
    plugin: ConfiguredPlugin,
    handle: (exchange: Exchange, plugin: ConfiguredPlugin) => void | Promise<void>,
    fail: () => void = () => exchange.fail(),
  ): undefined | Promise<void> {
    const failed = (error: unknown) => {
      logger.error({ plugin: plugin.name, err: messageOf(error) }, 'a plugin failed')
      fail()
    }
    try {
      const running = handle(exchange, plugin)
      return running ? running.catch(failed) : undefined
    } catch (error) {
      failed(error)
      return undefined
    }
  }

  function filterHead(exchange: Exchange, { plan }: Configuration): void {
    for (const plugin of collected.get(exchange) ?? plan.globals) {
      try {
        plugin.handler.headerFilter?.(exchange, plugin)
      } catch (error) {
        logger.error({ plugin: plugin.name, err: messageOf(error) }, 'a header filter failed')
      }
    }
  }

  function sendExit(exchange: Exchange, response: ServerResponse, configuration: Configuration): void {
    if (exchange.exit!.body === undefined) {
      if (CLOSING_STATUSES.has(exchange.exit!.status)) response.shouldKeepAlive = false
      substituteBody(exchange)
    }
    const { status, body } = exchange.exit!
    const bytes = typeof body === 'string' ? Buffer.from(body) : body
    exchange.status = status
    if (status === 204) exchange.responseHeaders.delete('content-type')
    if (!exchange.proxied) exchange.responseLatencyMs ??= now() - exchange.startedAtMs
    // Whatever a plugin says of the length: a wrong one would let the next response be read wrongly.
    if (status === 204 && bytes === undefined) exchange.responseHeaders.delete('content-length')
    else exchange.responseHeaders.set('Content-Length', String(bytes?.length ?? 0))
    filterHead(exchange, configuration)
    if (response.destroyed) return
    response.writeHead(status, finishedHead(exchange, response))
    response.end(bytes)
  }
}

/** Plugins that want to see the whole response before the client does. */
const respondersOf = (exchange: Exchange): readonly ConfiguredPlugin[] =>
  collected.get(exchange)?.filter(({ handler }) => handler.response) ?? []

function sendBuffered(exchange: Exchange, response: ServerResponse, onHead: () => string[]): void {
  const { body } = exchange.buffered!
  const { responseHeaders, status, requestMethod } = exchange
  const isBodyless = status === 204 || status === 304 || requestMethod === 'HEAD'
  if (!isBodyless) responseHeaders.set('Content-Length', String(body.length))
  response.writeHead(status, onHead())
  response.end(isBodyless ? undefined : body)
}

/** nginx sends no empty error: Kong's error handler words it, or a page of nginx's own. */
function substituteBody(exchange: Exchange): void {
  const { status } = exchange.exit!
  const substitute = substituteFor(status)
  if (substitute === 'error handler') nginxError(exchange, status)
  else if (substitute) {
    exchange.responseHeaders.set('Content-Type', substitute.type)
    exchange.exit = { status, body: substitute.text }
  }
}

/** nginx's own error, in the words of Kong's error handler: in plain text where the client asks for no type. */
function nginxError(exchange: Exchange, status: number): void {
  const { headers } = exchange
  const accept = headers.joined('accept') ?? headers.joined('content-type') ?? 'text/plain'
  const { type, text } = errorBody(accept, statusText(status), exchange.id)
  exchange.unexpected = true
  exchange.exit = undefined
  exchange.respond(status === 494 ? 400 : status, text, { 'Content-Type': type })
}

/** Finds the route, and what follows from it. */
function route(exchange: Exchange, { router, services }: Configuration): void {
  const match = router.match(exchange)
  if (!match) {
    exchange.respondError(404, 'no Route matched with those values')
    return
  }
  exchange.match = match
  exchange.forwardedPrefix = match.prefix === '/' ? undefined : match.prefix
  const { protocols, https_redirect_status_code: redirect } = match.route
  const trusted = exchange.node.isTrusted(exchange.clientIp)
  const scheme = (trusted && exchange.headers.get('x-forwarded-proto')) || exchange.scheme
  if (protocols.includes('https') && !protocols.includes('http') && scheme !== 'https') {
    const host = (trusted && exchange.headers.get('x-forwarded-host')) || exchange.host
    if (redirect === 426)
      exchange.respondError(426, 'Please use HTTPS protocol', {
        Connection: 'Upgrade',
        Upgrade: 'TLS/1.2, HTTP/1.1',
      })
    else exchange.respond(redirect, undefined, { Location: `https://${host}${exchange.requestUri}` })
    return
  }
  if (protocols.includes('grpc') || protocols.includes('grpcs')) {
    refuseGrpc(exchange)
    return
  }
  exchange.route = match.route
  const service = match.route.service ? services.get(match.route.service.id) : undefined
  if (service?.enabled) exchange.service = service
  exchange.destination = destinationOf(exchange)
  exchange.tries = []
}

/** The gateway speaks HTTP/1.1 only, so a gRPC route always gets the wrong kind of request. */
function refuseGrpc(exchange: Exchange): void {
  if (exchange.headers.get('content-type')?.startsWith('application/grpc'))
    exchange.respondError(426, 'Please use HTTP2 protocol', { connection: 'Upgrade', upgrade: 'HTTP/2' })
  else exchange.respondError(415, 'Non-gRPC request matched gRPC route')
}

function destinationOf(exchange: Exchange): Destination {
  const { service, match, route: matched, hostHeader } = exchange
  return {
    scheme: service?.protocol ?? 'http',
    path: escapePath(match!.upstreamPath(service?.path ?? '/')),
    hostHeader: matched?.preserve_host ? hostHeader : undefined,
    isAddress: isIP(service?.host ?? '') !== 0,
    host: service?.host ?? '',
    port: service?.port ?? 80,
    retries: service?.retries ?? DEFAULT_RETRIES,
    connectTimeoutMs: service?.connect_timeout ?? DEFAULT_TIMEOUT_MS,
    readTimeoutMs: service?.read_timeout ?? DEFAULT_TIMEOUT_MS,
  }
}

function finishedHead(exchange: Exchange, response: ServerResponse): string[] {
  finishHead(exchange)
  const raw = rawHead(exchange.responseHeaders)
  if (!exchange.responseHeaders.has('connection'))
    raw.push('Connection', isKept(exchange, response) ? 'keep-alive' : 'close')
  return raw
}

/** HTTP/1.0 has no chunks: only the end of the connection tells where a body of unknown length ends. */
const isKept = ({ httpVersion, responseHeaders }: Exchange, response: ServerResponse): boolean =>
  response.shouldKeepAlive && (httpVersion >= 1.1 || responseHeaders.has('content-length'))

/** Resolves when the response is out, or the client gone. */
function flushed(response: ServerResponse): Promise<void> | undefined {
  if (response.destroyed || response.writableFinished) return undefined
  return new Promise(resolve => {
    response.once('finish', resolve)
    response.once('close', resolve)
  })
}
