import type { Logger } from '../../../foundation/log.ts'
import type { ClientRequest } from './client-request.ts'
import type { ClientResponse } from './client-response.ts'
import type { Configuration } from './configuration.ts'
import { Exchange, type NodeFacts } from './exchange.ts'
import { PhaseRunner } from './phase-runner.ts'
import type { Upgrade } from './tunnel.ts'
import type { UpstreamPools } from './upstream-pool.ts'

export interface ProxyServerOptions {
  /** Called at the start of each request, which keeps that configuration to its end. */
  readonly configuration: () => Configuration
  readonly node: NodeFacts
  readonly pools: UpstreamPools
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** 32 hexadecimal digits, new at each call. */
  readonly newRequestId: () => string
  readonly logger: Logger
}

/** nginx's status for a client that left before its answer. */
const CLIENT_GONE = 499

/** Serves the requests of all clients. */
export class ProxyServer {
  readonly #options: ProxyServerOptions
  #totalRequests = 0

  constructor(options: ProxyServerOptions) {
    this.#options = options
  }

  get totalRequests(): number {
    return this.#totalRequests
  }

  async serve(request: ClientRequest, response: ClientResponse, upgrade?: Upgrade): Promise<void> {
    this.#totalRequests++
    const { node, pools, now, newRequestId, logger } = this.#options
    const configuration = this.#options.configuration()
    const exchange = new Exchange({
      request,
      node,
      lookup: configuration.snapshot,
      id: newRequestId(),
      startedAtMs: now(),
    })
    const runner = new PhaseRunner({ exchange, response, configuration, pools, now, logger })
    try {
      await runner.serve(upgrade)
    } catch (error) {
      this.#recover(error, exchange, response, runner)
    }
    await response.flushed()
    exchange.responseBytes = response.bytesWritten
    exchange.requestMs = now() - exchange.startedAtMs
    runner.log()
  }

  /** Something failed inside the gateway, or a client left while its body was read. */
  #recover(error: unknown, exchange: Exchange, response: ClientResponse, runner: PhaseRunner): void {
    if (response.isGone && !response.isHeadSent) exchange.status = CLIENT_GONE
    else
      this.#options.logger.error({ err: error, request: exchange.id }, 'a request failed inside the gateway')
    if (response.isHeadSent || exchange.status === CLIENT_GONE) {
      response.abort()
      return
    }
    exchange.fail()
    runner.sendExit()
  }
}
