/** A service that can bear only so much: a few requests at once, a queue for some more, and 503 above. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Capacity {
  /** Requests that are served at the same time. */
  readonly slots: number
  readonly serviceMs: number
  /** Requests that may wait; those above get 503 at once. */
  readonly queue: number
}

export interface LimitedUpstream {
  readonly url: string
  close(): void
}

export async function startLimitedUpstream({ slots, serviceMs, queue }: Capacity): Promise<LimitedUpstream> {
  const waiting: (() => void)[] = []
  let busy = 0
  const begin = () => {
    if (busy >= slots) return
    const answer = waiting.shift()
    if (!answer) return
    busy++
    setTimeout(() => {
      busy--
      answer()
      begin()
    }, serviceMs)
  }
  const server = createServer((_, response) => {
    if (busy >= slots && waiting.length >= queue) {
      response.writeHead(503).end()
      return
    }
    waiting.push(() => response.end('ok'))
    begin()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}
