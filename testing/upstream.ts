import http from 'node:http'
import type { AddressInfo } from 'node:net'

export interface SeenRequest {
  readonly method: string
  /** Path with its query. */
  readonly path: string
  readonly headers: http.IncomingHttpHeaders
  /** As UTF-8; `bytes` has it as it came. */
  readonly body: string
  readonly bytes: Buffer
}

export interface UpstreamAnswer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

export type UpstreamHandler = (request: SeenRequest) => UpstreamAnswer | Promise<UpstreamAnswer>

export interface Upstream {
  readonly port: number
  /** The last request that came, once. */
  take(): SeenRequest | undefined
  close(): Promise<void>
}

/** The service behind the gateway. */
export async function startUpstream(handle: UpstreamHandler = () => ({})): Promise<Upstream> {
  let last: SeenRequest | undefined
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      const bytes = Buffer.concat(chunks)
      last = { method, path: url, headers, body: bytes.toString(), bytes }
      Promise.resolve(last)
        .then(handle)
        .then(
          ({ status = 200, headers: fields = {}, body = '{"ok":true}' }) => {
            response.writeHead(status, { 'content-type': 'application/json', ...fields })
            response.end(body)
          },
          () => response.destroy(),
        )
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    take() {
      const taken = last
      last = undefined
      return taken
    },
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
