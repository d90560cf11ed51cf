import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'

export interface TestUpstream {
  readonly url: string
  readonly port: number
  readonly server: Server
  close(): Promise<void>
}

export interface UpstreamOptions {
  readonly onUpgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  /** A free one when it is left out. */
  readonly port?: number | undefined
}

/** An upstream service of a test. */
export async function startUpstream(
  listener: RequestListener,
  { onUpgrade, port: wanted = 0 }: UpstreamOptions = {},
): Promise<TestUpstream> {
  const server = createServer(listener)
  if (onUpgrade) server.on('upgrade', onUpgrade)
  // Node.js forgets connections that were upgraded.
  const sockets = new Set<Socket>()
  server.on('connection', socket => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>(resolve => server.listen(wanted, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    server,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
