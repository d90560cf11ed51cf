/**
 * What the processes tell each other, and whether this one hears it. Where it may have missed something, what it
 * holds in memory counts for 5 s only, and when it hears again it begins anew.
 */
import { type Host, messageOf, type Timers } from '../../sdk/sdk.ts'
import type { PurgeOrder } from './purge.ts'

export const CHANNEL = 'sluice:cache'

export type FillOutcome = 'stored' | 'uncacheable' | 'failed'

export type Message =
  | { readonly type: 'beat' }
  /** A fetch is over. */
  | { readonly type: 'done'; readonly flight: string; readonly token: string; readonly outcome: FillOutcome }
  /** What is stored for a path is invalid, but for what belongs to the generation. */
  | { readonly type: 'path'; readonly path: string; readonly generation: string }
  | { readonly type: 'purge'; readonly order: PurgeOrder }

/** @throws SyntaxError for anything that is no such message. */
export const fromMessage = (text: string): Message => JSON.parse(text) as Message
export const toMessage = (message: Message): string => JSON.stringify(message)

const BEAT_MS = 2000
/** A connection can break silently: without a beat for this long, messages count as lost. */
const SILENCE_MS = 5000

export interface ChannelParts {
  readonly host: Pick<Host, 'store' | 'clock' | 'log'>
  readonly timers: Timers
  readonly hear: (message: Message) => void
  /** Messages may have been lost, and arrive again now. */
  readonly onRestored: () => void
}

export class Channel {
  readonly #parts: ChannelParts
  readonly #stops: (() => void)[]
  #isSubscribed = false
  #heardMs = Number.NEGATIVE_INFINITY
  #lostMs: number | undefined

  constructor(parts: ChannelParts) {
    this.#parts = parts
    this.#lostMs = parts.host.clock.monotonic()
    const { store } = parts.host
    this.#stops = [
      store.watch(
        CHANNEL,
        text => this.#take(text),
        isListening => this.#whenSubscribed(isListening),
      ),
    ]
    if (store.kind === 'redis') this.#stops.push(parts.timers.every(BEAT_MS, () => this.#beat()))
  }

  /** Since when messages may be lost, by the monotonic clock; undefined while all arrive. */
  get lostMs(): number | undefined {
    return this.#lostMs
  }

  /** Tells all processes; never fails. */
  async tell(message: Message): Promise<void> {
    const { store, log } = this.#parts.host
    try {
      await store.publish(CHANNEL, toMessage(message))
    } catch (error) {
      log.debug({ reason: messageOf(error), type: message.type }, 'a message of the cache was not sent')
    }
  }

  close(): void {
    for (const stop of this.#stops) stop()
  }

  #take(text: string): void {
    this.#heardMs = this.#parts.host.clock.monotonic()
    this.#checkRestored()
    try {
      this.#parts.hear(fromMessage(text))
    } catch (error) {
      this.#parts.host.log.warn({ reason: messageOf(error) }, 'unreadable cache message')
    }
  }

  #whenSubscribed(isListening: boolean): void {
    this.#isSubscribed = isListening
    const now = this.#parts.host.clock.monotonic()
    if (!isListening) this.#lostMs ??= now
    else {
      this.#heardMs = now
      this.#checkRestored()
    }
  }

  #beat(): void {
    const now = this.#parts.host.clock.monotonic()
    if (now - this.#heardMs > SILENCE_MS) this.#lostMs ??= this.#heardMs
    void this.tell({ type: 'beat' })
  }

  #checkRestored(): void {
    if (this.#lostMs === undefined || !this.#isSubscribed) return
    this.#lostMs = undefined
    this.#parts.onRestored()
  }
}
