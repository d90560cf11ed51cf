import type { ServerResponse } from 'node:http'
import type { Beginning, EventFeed } from './event-feed.ts'
import { frameOf, type LiveEvent } from './live-event.ts'
import type { TypeFilter } from './type-filter.ts'

/** As much is handed to the socket at once, characters. */
const CHUNK = 65_536
const STALLED_BEATS = 12
const FORGETFUL_BEATS = 24

/** What a stream needs of the feed. */
type Source = Pick<EventFeed, 'ring' | 'listen'>

/**
 * One client that listens. It is a place in the ring, so that a slow one costs nothing but what its socket holds; one
 * that the ring has overtaken, or that reads nothing for twelve heartbeats, is disconnected, and comes back.
 */
export class EventStream {
  readonly #feed: Source
  readonly #filter: TypeFilter
  readonly #response: ServerResponse
  readonly #stopListening: () => void
  #position = Number.POSITIVE_INFINITY
  #early:
    | { readonly ids: ReadonlySet<string>; readonly until: number; readonly notBeforeMs: number }
    | undefined
  #isBlocked = false
  /** Called when the client reads on, or has left. */
  #goOn = () => {}
  #beats = 0
  #beatsBlocked = 0
  #isEnded = false

  /** @param response whose head was sent */
  constructor(feed: Source, filter: TypeFilter, response: ServerResponse) {
    this.#feed = feed
    this.#filter = filter
    this.#response = response
    this.#stopListening = feed.listen(() => this.#pump())
    response.on('drain', () => {
      this.#isBlocked = false
      this.#beatsBlocked = 0
      this.#goOn()
      this.#pump()
    })
    response.on('close', () => this.end())
    response.on('error', () => this.end())
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  async start({ backlog, position, untilPosition, notBeforeMs, reset }: Beginning): Promise<void> {
    if (reset !== undefined) this.#write(`event: reset\ndata: ${JSON.stringify({ reason: reset })}\n\n`)
    await this.#writeAll(backlog)
    if (backlog.length > 0 || untilPosition > 0)
      this.#early = { ids: new Set(backlog.map(({ id }) => id)), until: untilPosition, notBeforeMs }
    this.#position = position
    this.#pump()
  }

  /** Shows both sides that the other one is there. */
  beat(): void {
    if (this.#isEnded) return
    // By now all of the backlog has come by the ring too.
    if (++this.#beats >= FORGETFUL_BEATS) this.#early = undefined
    if (!this.#isBlocked) this.#write(': alive\n\n')
    else if (++this.#beatsBlocked >= STALLED_BEATS) this.#cut()
  }

  end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#goOn()
    this.#stopListening()
    this.#response.end()
  }

  #cut(): void {
    this.end()
    this.#response.destroy()
  }

  /** A backlog may be larger than any buffer: it goes as fast as the client reads. */
  async #writeAll(events: readonly LiveEvent[]): Promise<void> {
    for (const event of events) {
      if (this.#isEnded) return
      this.#write(frameOf(event))
      if (this.#isBlocked)
        await new Promise<void>(resolve => {
          this.#goOn = resolve
        })
    }
  }

  #pump(): void {
    const { ring } = this.#feed
    if (this.#position < ring.start) this.#cut()
    while (!this.#isBlocked && !this.#isEnded && this.#position < ring.end) {
      let text = ''
      while (text.length < CHUNK && this.#position < ring.end) text += this.#frameAt(this.#position++)
      if (text !== '') this.#write(text)
    }
  }

  #frameAt(position: number): string {
    const entry = this.#feed.ring.at(position)
    if (!entry || !this.#filter.matches(entry.type)) return ''
    if (this.#early?.ids.has(entry.id)) return ''
    if (this.#early && position < this.#early.until && entry.timeMs < this.#early.notBeforeMs) return ''
    return entry.frame
  }

  #write(text: string): void {
    if (!this.#response.write(text)) this.#isBlocked = true
  }
}
