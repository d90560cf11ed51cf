import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What becomes of a request on its way to the Admin API. */
export type Fate =
  | 'pass'
  /** The connection breaks before Kong has seen it. */
  | 'lose-request'
  /** Kong does it, and the connection breaks before the answer comes. */
  | 'lose-answer'
  /** Kong answers 500 and does it all the same, once this promise resolves: its row was locked. */
  | { readonly late: Promise<void> }
  /** Kong answers with this status and body instead. */
  | { readonly status: number; readonly body: unknown }

export interface FaultyAdmin {
  readonly url: string
  /** Decides about every request; `n` counts the writing ones from 1, and is 0 for the others. */
  decide: (method: string, path: string, n: number) => Fate | Promise<Fate>
  /** Resolves when all that was late has been done. */
  lateWritesDone(): Promise<void>
  /** The port is closed, and open connections break, as when Kong is killed. */
  stop(): Promise<void>
  /** It listens again, on the same port, if it did not. */
  restart(): Promise<void>
  close(): Promise<void>
}

/** Stands between a client and an Admin API, and breaks what a test wants to see broken. */
export async function startFaultyAdmin(target: string): Promise<FaultyAdmin> {
  let writes = 0
  let server: Server | undefined
  const lateWrites: Promise<void>[] = []
  const handle = async (incoming: IncomingMessage, response: ServerResponse) => {
    const { method = 'GET', url = '/' } = incoming
    const fate = await admin.decide(method, url, method === 'GET' ? 0 : ++writes)
    if (fate === 'lose-request') return void incoming.socket.destroy()
    if (typeof fate === 'object' && 'late' in fate) {
      lateWrites.push(writeLate(target + url, incoming, fate.late))
      response.writeHead(500, { 'content-type': 'application/json' })
      return void response.end('{"message":"An unexpected error occurred"}')
    }
    if (typeof fate === 'object') {
      incoming.resume()
      response.writeHead(fate.status, { 'content-type': 'application/json' })
      return void response.end(JSON.stringify(fate.body))
    }
    const onward = request(target + url, { method, headers: incoming.headers }, answer => {
      if (fate === 'lose-answer') {
        answer.resume()
        answer.on('end', () => incoming.socket.destroy())
        return
      }
      response.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', () => incoming.socket.destroy())
    incoming.pipe(onward)
  }
  const listen = async (port: number) => {
    const fresh = createServer((incoming, response) => void handle(incoming, response))
    server = fresh
    await new Promise<void>((resolve, reject) =>
      fresh.once('error', reject).listen(port, '127.0.0.1', resolve),
    )
    return (fresh.address() as AddressInfo).port
  }
  const stop = async () => {
    const ending = server
    server = undefined
    if (!ending) return
    ending.closeAllConnections()
    await new Promise(resolve => ending.close(resolve))
  }
  const port = await listen(0)
  const admin: FaultyAdmin = {
    url: `http://127.0.0.1:${port}`,
    decide: () => 'pass',
    lateWritesDone: async () => void (await Promise.all(lateWrites)),
    stop,
    async restart() {
      if (!server) await listen(port)
    },
    close: stop,
  }
  return admin
}

async function writeLate(url: string, incoming: IncomingMessage, when: Promise<void>): Promise<void> {
  const { method = 'GET', headers } = incoming
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  const body = Buffer.concat(chunks).toString()
  await when
  const type = headers['content-type']
  await fetch(url, { method, ...(type && { headers: { 'content-type': type } }), ...(body && { body }) })
}
