import { messageOf } from '../../../foundation/errors.ts'
import type { Logger } from '../../../foundation/log.ts'
import type { ClientResponse } from './client-response.ts'
import type { Configuration } from './configuration.ts'
import type { Exchange } from './exchange.ts'
import { Forwarding, type ForwardOptions } from './forward.ts'
import { refusedHead } from './nginx.ts'
import { ownAnswer, respondNginxError } from './own-answer.ts'
import type { ConfiguredPlugin, PhaseHandler } from './plugin.ts'
import { evaluatePreconditions } from './preconditions.ts'
import { finishHead, replaceUpstreamHead } from './response-head.ts'
import { route } from './routing.ts'
import { Tunnel, type Upgrade } from './tunnel.ts'
import type { UpstreamPools } from './upstream-pool.ts'

export interface RunnerOptions {
  readonly exchange: Exchange
  readonly response: ClientResponse
  readonly configuration: Configuration
  readonly pools: UpstreamPools
  readonly now: () => number
  readonly logger: Logger
}

/** Takes one request through Kong's phases: rewrite, routing, access, upstream, response, header filter, log. */
export class PhaseRunner {
  readonly #exchange: Exchange
  readonly #response: ClientResponse
  readonly #options: RunnerOptions
  /** Plugins whose later phases will run: the global ones, until the access phase has collected its own. */
  #plugins: readonly ConfiguredPlugin[]

  constructor(options: RunnerOptions) {
    this.#options = options
    this.#exchange = options.exchange
    this.#response = options.response
    this.#plugins = options.configuration.chain.globals
  }

  async serve(upgrade: Upgrade | undefined): Promise<void> {
    const exchange = this.#exchange
    const { configuration } = this.#options
    const refused = refusedHead(exchange)
    if (refused) {
      this.#response.closeAfter()
      if (refused.unread) exchange.forget(refused.unread)
      exchange.exit = { status: refused.status, body: undefined }
      this.sendExit()
      return
    }
    await this.#runAll('rewrite')
    if (!exchange.exit) route(exchange, configuration)
    if (!exchange.exit) await this.#access()
    if (!exchange.exit && !exchange.service) exchange.respondError(503, 'no Service found with those values')
    if (!exchange.exit) await this.#proxy(upgrade)
    if (exchange.exit) this.sendExit()
  }

  async #proxy(upgrade: Upgrade | undefined): Promise<void> {
    const exchange = this.#exchange
    const { destination } = exchange
    if (!destination) throw new Error('a service without a destination')
    const isWebSocket = exchange.headers.get('upgrade')?.toLowerCase() === 'websocket'
    const options = this.#forwarding(exchange.buffering && !isWebSocket)
    const isThrough =
      upgrade && isWebSocket
        ? await new Tunnel(exchange, this.#response, upgrade, options).run(destination)
        : await new Forwarding(exchange, this.#response, options).run(destination)
    if (exchange.buffered) {
      replaceUpstreamHead(exchange, exchange.buffered)
      await this.#runAll('response')
      if (!exchange.exit) this.#sendBuffered(exchange.buffered.body)
    } else if (!isThrough && !exchange.exit) respondNginxError(exchange, exchange.status)
  }

  #forwarding(holds: boolean): ForwardOptions {
    const { configuration, pools, now } = this.#options
    return {
      balancer: configuration.balancer,
      pools,
      now,
      holds,
      onHead: () => this.#finishHead(),
      filterBody: body => this.#filterBody(body),
    }
  }

  async #runAll(phase: 'rewrite' | 'response'): Promise<void> {
    const exchange = this.#exchange
    for (const plugin of this.#plugins) {
      const handle = plugin.phases[phase]
      // Kong guards its access phase only; a failure in another one is nginx's own error.
      if (handle && !exchange.exit)
        await this.#guarded(plugin, handle, () => respondNginxError(exchange, 500))
    }
  }

  /** Collects every plugin of the request for its later phases, and runs the access phase until one answers. */
  async #access(): Promise<void> {
    const exchange = this.#exchange
    const plugins: ConfiguredPlugin[] = []
    this.#plugins = plugins
    for (const candidate of this.#options.configuration.chain.candidates) {
      const plugin = candidate.find(exchange)
      if (!plugin) continue
      plugins.push(plugin)
      const { access, response } = plugin.phases
      if (response) exchange.buffering = true
      if (!access || exchange.exit) continue
      const running = this.#guarded(plugin, access, () => exchange.fail())
      if (running) await running
    }
  }

  /** A plugin that throws makes the answer a 500. */
  #guarded(plugin: ConfiguredPlugin, handle: PhaseHandler, fail: () => void): undefined | Promise<void> {
    const failed = (error: unknown) => {
      this.#options.logger.error({ plugin: plugin.name, err: messageOf(error) }, 'a plugin failed')
      fail()
    }
    try {
      return handle(this.#exchange)?.catch(failed)
    } catch (error) {
      failed(error)
      return undefined
    }
  }

  #finishHead(): void {
    for (const plugin of this.#plugins) {
      try {
        plugin.phases.headerFilter?.(this.#exchange)
      } catch (error) {
        this.#options.logger.error({ plugin: plugin.name, err: messageOf(error) }, 'a header filter failed')
      }
    }
    finishHead(this.#exchange)
  }

  #filterBody(body: Buffer): Buffer {
    let filtered = body
    for (const filter of this.#exchange.bodyFilters) {
      try {
        filtered = filter(filtered)
      } catch (error) {
        this.#options.logger.error({ err: messageOf(error) }, 'a body filter failed')
      }
    }
    return filtered
  }

  #sendBuffered(body: Buffer): void {
    const { responseHeaders, status, requestMethod, httpVersion } = this.#exchange
    const isBodyless = status === 204 || status === 304 || requestMethod === 'HEAD'
    // What came in chunks leaves so, where the client knows them.
    const hasLength = httpVersion < 1.1 || responseHeaders.has('content-length')
    if (!isBodyless && hasLength) responseHeaders.set('Content-Length', String(body.length))
    this.#send(status, body, isBodyless)
  }

  /** Sends the answer that `exchange.exit` holds. */
  sendExit(): void {
    const exchange = this.#exchange
    const { status, body = Buffer.alloc(0), isLast } = ownAnswer(exchange)
    if (isLast) this.#response.closeAfter()
    if (!exchange.proxied) exchange.responseLatencyMs ??= this.#options.now() - exchange.startedAtMs
    this.#send(status, body, false)
  }

  /** An answer that does not stream from the upstream. */
  #send(status: number, body: Buffer, isBodyless: boolean): void {
    const exchange = this.#exchange
    const precondition = status === 200 ? evaluatePreconditions(exchange) : 'met'
    if (precondition === 'failed') {
      exchange.status = 412
      this.#response.abort()
      return
    }
    if (precondition === 'not modified') {
      exchange.status = 304
      exchange.responseHeaders.delete('content-type')
      exchange.responseHeaders.delete('content-length')
    }
    this.#sendWhole(exchange.status, body, isBodyless || precondition === 'not modified')
  }

  #sendWhole(status: number, body: Buffer, isBodyless: boolean): void {
    this.#finishHead()
    const sent = this.#exchange.bodyFilters.length > 0 ? this.#filterBody(body) : body
    if (this.#response.isGone) return
    this.#response.sendHead(status, this.#exchange.responseHeaders, 'own')
    this.#response.end(isBodyless || sent.length === 0 ? undefined : sent)
  }

  /** Nobody waits for the log phase. */
  log(): void {
    for (const plugin of this.#plugins) {
      const handle = plugin.phases.log
      if (!handle) continue
      const failed = (error: unknown) =>
        this.#options.logger.error({ plugin: plugin.name, err: messageOf(error) }, 'a log phase failed')
      try {
        handle(this.#exchange)?.catch(failed)
      } catch (error) {
        failed(error)
      }
    }
  }
}
