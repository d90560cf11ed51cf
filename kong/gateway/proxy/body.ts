import type { ClientBody } from './client-request.ts'

/** Kong's `client_body_buffer_size`: plugins see a body up to this size. */
export const PLUGIN_BODY_BYTES = 8 * 1024
/** Bodies up to this size are read before the upstream is asked, so that a try can be repeated. */
const REPLAY_BYTES = 64 * 1024

/** nginx's `client_body_timeout`: a client that sends nothing for so long is disconnected. */
const STALL_MS = 60_000

/** What is sent to the upstream: all of it, or the start and then what still comes. */
export type OutgoingBody =
  | { readonly kind: 'none' }
  | { readonly kind: 'whole'; readonly bytes: Buffer }
  | { readonly kind: 'stream'; readonly chunks: AsyncIterable<Buffer>; readonly length: number | undefined }

/** The body of a client's request, read as far as somebody asked for it and never kept whole when it is large. */
export class RequestBody {
  readonly #source: ClientBody | undefined
  #chunks: Buffer[] = []
  #read = 0
  #ended: boolean
  #replaced: Buffer | undefined
  #iterator: AsyncIterator<Buffer> | undefined

  constructor(source: ClientBody | undefined) {
    this.#source = source
    this.#ended = source === undefined || source.length === 0
  }

  /** Whether there is anything to send. */
  get isPresent(): boolean {
    return this.#replaced !== undefined || this.#read > 0 || !this.#ended
  }

  get isReplaced(): boolean {
    return this.#replaced !== undefined
  }

  /** Bytes of the body that came from the client so far. */
  get bytesRead(): number {
    return this.#read
  }

  /** The whole body; undefined when it is longer than `maxBytes`. */
  async whole(maxBytes: number): Promise<Buffer | undefined> {
    if (this.#replaced) return this.#replaced
    if ((this.#source?.length ?? 0) > maxBytes) return undefined
    await this.#readUpTo(maxBytes)
    return this.#ended && this.#read <= maxBytes ? Buffer.concat(this.#chunks) : undefined
  }

  /**
   * The length of the body in bytes. Where the client did not tell it, the body is read until it is longer than
   * `maxBytes`, and what was read so far counts.
   */
  async length(maxBytes: number): Promise<number> {
    if (this.#replaced) return this.#replaced.length
    if (this.#source?.length !== undefined) return this.#source.length
    await this.#readUpTo(maxBytes)
    return this.#read
  }

  replace(bytes: Buffer): void {
    this.#replaced = bytes
  }

  /** @param buffered false: begin to send before the body has come (`request_buffering` of the route) */
  async outgoing(buffered: boolean): Promise<OutgoingBody> {
    if (this.#replaced) return { kind: 'whole', bytes: this.#replaced }
    const declared = this.#source?.length
    if (this.#ended && this.#read === 0) return declared === 0 ? EMPTY : { kind: 'none' }
    if (buffered && (declared ?? 0) <= REPLAY_BYTES) await this.#readUpTo(REPLAY_BYTES)
    if (this.#ended) return { kind: 'whole', bytes: Buffer.concat(this.#chunks) }
    return { kind: 'stream', chunks: this.#rest(), length: declared }
  }

  async *#rest(): AsyncGenerator<Buffer> {
    const held = this.#chunks
    this.#chunks = []
    yield* held
    for (;;) {
      const chunk = await this.#next()
      if (!chunk) return
      yield chunk
    }
  }

  async #readUpTo(maxBytes: number): Promise<void> {
    while (!this.#ended && this.#read <= maxBytes) {
      const chunk = await this.#next()
      if (chunk) this.#chunks.push(chunk)
    }
  }

  async #next(): Promise<Buffer | undefined> {
    const source = this.#source
    if (!source) return undefined
    if (!this.#iterator) {
      this.#iterator = (source.stream as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
      source.setStallTimeout(STALL_MS)
    }
    const { value, done } = await this.#iterator.next()
    if (done) {
      source.setStallTimeout(0)
      this.#ended = true
      return undefined
    }
    this.#read += value.length
    return value
  }
}

const EMPTY: OutgoingBody = { kind: 'whole', bytes: Buffer.alloc(0) }
