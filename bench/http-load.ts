import { connect } from 'node:net'

export interface Load {
  readonly port: number
  readonly connections: number
  /** Of several, one after the other. */
  readonly path: string | readonly string[]
  readonly headers?: Readonly<Record<string, string>>
  /** Ends after so many answers. */
  readonly requests: number
}

export interface LoadResult {
  readonly seconds: number
  readonly perSecond: number
  /** Answers by their status. */
  readonly statuses: Readonly<Record<string, number>>
}

/**
 * Asks for one resource, or several by turns, again and again over keep-alive connections, one request at a time on each. It reads no more
 * of an answer than its status and length, since the client must not be what is measured.
 */
export async function runLoad({
  port,
  connections,
  path,
  headers = {},
  requests,
}: Load): Promise<LoadResult> {
  const lines = Object.entries({ Host: 'bench', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
  const texts = [path].flat().map(each => Buffer.from(`GET ${each} HTTP/1.1\r\n${lines.join('')}\r\n`))
  const statuses: Record<string, number> = {}
  let started = 0
  const startMs = performance.now()
  await Promise.all(
    Array.from({ length: connections }, () => {
      return new Promise<void>((resolve, reject) => {
        const socket = connect(port, '127.0.0.1')
        let pending = ''
        const next = () => {
          if (started >= requests) {
            socket.end()
            resolve()
          } else {
            socket.write(texts[started++ % texts.length] ?? '')
          }
        }
        socket.once('connect', next)
        socket.once('error', reject)
        socket.on('close', () => reject(new Error('the connection was closed')))
        socket.on('data', chunk => {
          pending += chunk.toString('latin1')
          const end = pending.indexOf('\r\n\r\n')
          if (end < 0) return
          const length = Number(/\r\ncontent-length: (\d+)/i.exec(pending)?.[1] ?? 0)
          if (pending.length < end + 4 + length) return
          const status = pending.slice(9, 12)
          statuses[status] = (statuses[status] ?? 0) + 1
          pending = ''
          next()
        })
      })
    }),
  )
  const seconds = (performance.now() - startMs) / 1_000
  return { seconds, perSecond: requests / seconds, statuses }
}
