import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ExpressionRequest } from './cases.ts'

/** Which route a request took, what its upstream was asked for, and the captures that a plugin would see. */
export interface Routed {
  readonly route: string | null
  readonly path: string | null
}

export interface RouterUpstream {
  readonly port: number
  close(): Promise<void>
}

/** Answers with the target that it was asked for. */
export async function startRouterUpstream(): Promise<RouterUpstream> {
  const server = createServer((request, response) => response.end(request.url))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

/** Every route has a response-transformer that names it. */
export const naming = (configuration: { services: { routes: { name: string }[] }[] }) => ({
  ...configuration,
  services: configuration.services.map(service => ({
    ...service,
    routes: service.routes.map(route => ({
      ...route,
      plugins: [{ name: 'response-transformer', config: { add: { headers: [`x-route:${route.name}`] } } }],
    })),
  })),
})

export function ask(
  proxyUrl: string,
  { target, method, host, headers = [] }: ExpressionRequest,
): Promise<Routed> {
  const { hostname, port } = new URL(proxyUrl)
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        ...{ host: hostname, port, method: method ?? 'GET', path: target, agent: false },
        headers: ['Host', host ?? 'localhost', 'Content-Length', '0', ...headers] as never,
      },
      response => {
        let body = ''
        response.on('data', (chunk: Buffer) => {
          body += chunk.toString()
        })
        response.on('end', () => {
          const route = response.headers['x-route']
          resolve({ route: typeof route === 'string' ? route : null, path: route ? body : null })
        })
      },
    )
    request.on('error', reject)
    request.end()
  })
}
