/** Several gateways, each with a plugin server of its own, in front of one service. */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { freePorts } from '../../../ops/local/ports.ts'
import { plugin } from '../../../plugins/response-cache/plugin.ts'
import { type EdgeGateway, startEdgeGateway } from '../../support/edge-gateway.ts'

export interface CacheNodes {
  readonly nodes: readonly EdgeGateway[]
  readonly service: CountingService
  ask(node: number, path: string, options?: AskOptions): Promise<Asked>
  close(): Promise<void>
}

export interface AskOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface Asked {
  readonly status: number
  readonly body: string
  readonly cache: string
}

type Handle = (request: IncomingMessage, response: ServerResponse, count: number) => void

export interface CountingService {
  readonly url: string
  requests: number
  handle: Handle
  /** Ends it, so that connections to it are refused, until `start`. */
  stop(): Promise<void>
  start(): Promise<void>
  close(): Promise<void>
}

export const cacheable =
  (control = 'max-age=60'): Handle =>
  (request, response, count) => {
    response.writeHead(200, {
      'cache-control': control,
      'content-type': 'text/plain',
      etag: `"${count}"`,
      'surrogate-key': `all path${request.url?.replaceAll('/', '-')}`,
    })
    response.end(`answer ${count}`)
  }

async function startService(): Promise<CountingService> {
  const server = createServer((request, response) => {
    request.resume()
    service.requests++
    service.handle(request, response, service.requests)
  })
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', resolve)
    })
  await listen(0)
  const { port } = server.address() as AddressInfo
  const stop = async () => {
    const closed = new Promise(resolve => server.close(resolve))
    server.closeAllConnections()
    await closed
  }
  const service: CountingService = {
    url: `http://127.0.0.1:${port}`,
    requests: 0,
    handle: cacheable(),
    stop,
    start: () => listen(port),
    close: async () => {
      if (server.listening) await stop()
    },
  }
  return service
}

const SERVICE = '7c1a6a0e-2f2e-4f63-9d7c-3c8f6f0f7a01'
const ROUTE = '7c1a6a0e-2f2e-4f63-9d7c-3c8f6f0f7a02'

export async function startCacheNodes(
  count: number,
  redisUrl: string | undefined,
  config: object,
): Promise<CacheNodes> {
  const service = await startService()
  const ports = await freePorts(count)
  const nodes: EdgeGateway[] = []
  for (const [index, proxyPort] of ports.entries()) {
    const node = await startEdgeGateway({
      plugins: [plugin],
      proxyPort,
      env: {
        SLUICE_NODE: `node-${index}`,
        SLUICE_PROXY_URL: `http://127.0.0.1:${proxyPort}`,
        SLUICE_LOOPBACK_SECRET: 'a secret of the tests, long enough',
        // What is late on a busy machine would be a miss, and that is for other tests.
        SLUICE_REDIS_DEADLINE_MS: '3000',
        ...(redisUrl !== undefined && { SLUICE_REDIS_URL: redisUrl }),
      },
    })
    nodes.push(node)
    // The same ids everywhere, as nodes of one Kong have them.
    await node.admin('PUT', `/services/${SERVICE}`, { name: 'shop', url: service.url, retries: 0 })
    await node.admin('PUT', `/routes/${ROUTE}`, { paths: ['/'], service: { id: SERVICE } })
    await node.admin('POST', `/services/${SERVICE}/plugins`, { name: 'response-cache', config })
  }
  return {
    nodes,
    service,
    ask: (node, path, options) => ask(nodes[node]?.proxyPort ?? 0, path, options),
    async close() {
      await Promise.all(nodes.map(node => node.close()))
      await service.close()
    },
  }
}

/** To one host, whatever the node. */
function ask(port: number, path: string, { method = 'GET', headers = {} }: AskOptions = {}): Promise<Asked> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, path, method, headers: { host: 'shop.example', ...headers }, agent: false },
      response => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', chunk => {
          body += chunk
        })
        response.on('error', reject)
        response.on('end', () => {
          const cache = String(response.headers['cache-status'] ?? '')
          resolve({ status: response.statusCode ?? 0, body, cache })
        })
      },
    )
    sent.on('error', reject)
    sent.end()
  })
}
