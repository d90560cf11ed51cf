import { isObject } from '../model/schema.ts'
import { EventStreamReader } from '../model/sse.ts'
import { client } from './session.ts'
import { Store } from './store.ts'

/** An event of the gateway, as it is stored. */
export interface LiveEvent {
  readonly id: string
  readonly type: string
  /** ISO 8601. */
  readonly time: string
  readonly data: Readonly<Record<string, unknown>>
}

export type Connection =
  | { readonly phase: 'connecting' }
  | { readonly phase: 'live' }
  | { readonly phase: 'lost'; readonly since: number; readonly nextTryAt: number }

type Told =
  | { readonly event: LiveEvent; readonly lastId: string }
  | { readonly connection: Connection }
  | { readonly gap: true }
  | { readonly who: true }

const NAME = 'sluice-stream'
const WAITS_MS = [500, 1_000, 2_000, 5_000]
const REMEMBERED = 2_000
/** The server says something at least every 15 s. */
const SILENCE_MS = 40_000

/**
 * The events as they happen. One tab of a browser holds the connection and tells the others: over HTTP/1.1 a browser
 * has six connections to a host. Another tab goes on behind the last event when that one closes.
 */
export class Stream {
  readonly connection = new Store<Connection>({ phase: 'connecting' })
  /** Counts up when events were missed, and everything must be read anew. */
  readonly gaps = new Store(0)
  readonly #watchers = new Set<(event: LiveEvent) => void>()
  readonly #channel = new BroadcastChannel(NAME)
  #lastId = ''
  readonly #seen = new Set<string>()
  #failures = 0
  #isLeader = false
  #abort = new AbortController()
  #wake = () => {}

  /** Joins in; asks for the connection when no other tab has it. */
  start(): void {
    this.#channel.onmessage = ({ data }: MessageEvent<Told>) => this.#hear(data)
    this.#channel.postMessage({ who: true } satisfies Told)
    window.addEventListener('online', () => this.retry())
    window.addEventListener('offline', () => this.#abort.abort())
    void navigator.locks.request(NAME, async () => {
      this.#isLeader = true
      for (;;) await this.#connect()
    })
  }

  /** Connects now, and not only when the wait is over. */
  retry(): void {
    this.#failures = 0
    this.#wake()
  }

  watch(watcher: (event: LiveEvent) => void): () => void {
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }

  #hear(told: Told): void {
    if ('event' in told) {
      this.#lastId = told.lastId
      this.#isKnown(told.event.id)
      this.#give(told.event)
    } else if ('connection' in told) this.connection.set(told.connection)
    else if ('gap' in told) this.gaps.set(this.gaps.value + 1)
    else if (this.#isLeader) this.#tell({ connection: this.connection.value })
  }

  #tell(told: Told): void {
    this.#channel.postMessage(told)
  }

  #say(connection: Connection): void {
    this.connection.set(connection)
    this.#tell({ connection })
  }

  #give(event: LiveEvent): void {
    for (const watcher of [...this.#watchers]) watcher(event)
  }

  async #connect(): Promise<void> {
    this.#abort = new AbortController()
    try {
      await this.#read()
    } catch {
      // Whatever it was: it is tried again.
    }
    const waitMs = WAITS_MS[Math.min(this.#failures++, WAITS_MS.length - 1)] ?? 5_000
    const { value } = this.connection
    const since = value.phase === 'lost' ? value.since : Date.now()
    this.#say({ phase: 'lost', since, nextTryAt: Date.now() + waitMs })
    await new Promise<void>(resolve => {
      this.#wake = resolve
      setTimeout(resolve, waitMs)
    })
  }

  async #read(): Promise<void> {
    const { signal } = this.#abort
    const response = await client.send('GET', '/v1/events', {
      signal,
      headers: { accept: 'text/event-stream', ...(this.#lastId !== '' && { 'last-event-id': this.#lastId }) },
    })
    // Who has to log in again is found out by asking for something.
    if (response.status === 401) return void (await client.get('/v1/session'))
    if (!response.ok || !response.body) throw new Error(`answered ${response.status}`)
    this.#failures = 0
    this.#say({ phase: 'live' })
    // What happened since the page was read, and before this, comes by no event.
    if (this.#lastId === '') this.#gap()
    const reader = new EventStreamReader()
    const pieces = response.body.pipeThrough(new TextDecoderStream()).getReader()
    for (;;) {
      const silence = setTimeout(() => this.#abort.abort(), SILENCE_MS)
      const { done, value } = await pieces.read().finally(() => clearTimeout(silence))
      if (done) return
      for (const event of reader.read(value)) this.#take(event)
    }
  }

  /** After a change of the manager's process some events come twice. */
  #isKnown(id: string): boolean {
    if (id === '' || !this.#seen.has(id)) {
      this.#seen.add(id)
      const [oldest] = this.#seen
      if (this.#seen.size > REMEMBERED && oldest !== undefined) this.#seen.delete(oldest)
      return false
    }
    return true
  }

  #gap(): void {
    this.gaps.set(this.gaps.value + 1)
    this.#tell({ gap: true })
  }

  #take({ id, type, data }: { id: string; type: string; data: string }): void {
    if (id !== '') this.#lastId = id
    if (this.#isKnown(id)) return
    if (type === 'reset') {
      this.#gap()
      return
    }
    const body: unknown = JSON.parse(data)
    if (!isObject(body)) return
    const event = {
      id,
      type: String(body.type ?? type),
      time: String(body.time ?? new Date().toISOString()),
      data: isObject(body.data) ? body.data : body,
    }
    this.#give(event)
    this.#tell({ event, lastId: this.#lastId })
  }
}

export const stream = new Stream()
