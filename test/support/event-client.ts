import type { IncomingMessage } from 'node:http'
import { request } from 'node:http'

export interface ReceivedEvent {
  readonly id: string
  readonly type: string
  readonly subject: string
  readonly data: Record<string, unknown>
}

/** Reads `/v1/events` as a browser's EventSource does, but does not connect again by itself. */
export class EventClient {
  readonly events: ReceivedEvent[] = []
  /** When each came, milliseconds since the epoch. */
  readonly timesMs: number[] = []
  /** Reasons of `event: reset`. */
  readonly resets: string[] = []
  /** Heartbeats. */
  beats = 0
  status = 0
  headers: IncomingMessage['headers'] = {}
  hasEnded = false
  readonly #response: Promise<IncomingMessage>
  #text = ''

  /** @param path such as `/v1/events?type=circuit.*` */
  constructor(url: string, path: string, headers: Readonly<Record<string, string>>) {
    this.#response = new Promise((resolve, reject) => {
      const asked = request(`${url}${path}`, { headers, agent: false }, response => {
        this.status = response.statusCode ?? 0
        this.headers = response.headers
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => this.#read(chunk))
        response.on('close', () => {
          this.hasEnded = true
        })
        response.on('error', () => {})
        resolve(response)
      })
      asked.on('error', reject)
      asked.end()
    })
  }

  /** Resolves when the stream is open. */
  async open(): Promise<this> {
    await this.#response
    return this
  }

  get ids(): readonly string[] {
    return this.events.map(({ id }) => id)
  }

  async close(): Promise<void> {
    const response = await this.#response.catch(() => undefined)
    response?.destroy()
  }

  #read(chunk: string): void {
    this.#text += chunk
    const frames = this.#text.split('\n\n')
    this.#text = frames.pop() ?? ''
    for (const frame of frames) this.#take(frame)
  }

  #take(frame: string): void {
    if (frame === ': alive') this.beats++
    const fields = new Map(
      frame
        .split('\n')
        .filter(line => !line.startsWith(':'))
        .map(line => {
          const colon = line.indexOf(': ')
          return [line.slice(0, colon), line.slice(colon + 2)] as const
        }),
    )
    const data = fields.get('data')
    if (data === undefined) return
    const value = JSON.parse(data)
    if (fields.get('event') === 'reset') {
      this.resets.push(value.reason)
      return
    }
    if (fields.get('id') !== value.id)
      throw new Error(`the id of the frame is not that of the event: ${frame}`)
    this.events.push(value)
    this.timesMs.push(Date.now())
  }
}
