import type { ServerResponse } from 'node:http'
import type { OutgoingHttpHeaders, ServerHttp2Stream, ServerStreamResponseOptions } from 'node:http2'
import type { HeaderMap } from './header-map.ts'
import { rawHead } from './response-head.ts'

/** The way back to a client, whichever version of HTTP it speaks. */
export interface ClientResponse {
  /** The client left, or the answer was broken off. */
  readonly isGone: boolean
  readonly isHeadSent: boolean
  /** Of this answer, head and body, as they went out. */
  readonly bytesWritten: number
  /** An answer of the gateway's `own` is dated; one that is `passed` on has the date of the upstream, or none. */
  sendHead(status: number, headers: HeaderMap, from: 'own' | 'passed'): void
  /** @returns false when the client is slower: `resume` is called when it has caught up */
  write(chunk: Uint8Array): boolean
  onDrain(resume: () => void): void
  end(chunk?: Uint8Array): void
  /** Breaks the answer off: nothing else can tell a client that the rest is missing. */
  abort(): void
  /** Closes the connection after this answer: nothing that follows on it is trusted. */
  closeAfter(): void
  /** Calls `listener` once when the client is gone. The returned function ends that. */
  onClose(listener: () => void): () => void
  /** Resolves when the answer is out, or the client gone; undefined where that is so already. */
  flushed(): Promise<void> | undefined
}

/** Answers of HTTP/1.0 and 1.1. */
export class Http1Response implements ClientResponse {
  readonly #response: ServerResponse
  readonly #httpVersion: number
  readonly #writtenBefore: number

  constructor(response: ServerResponse, httpVersion: number) {
    this.#response = response
    this.#httpVersion = httpVersion
    this.#writtenBefore = response.req.socket.bytesWritten
  }

  get isGone(): boolean {
    return this.#response.destroyed || this.#response.req.socket.destroyed
  }

  get isHeadSent(): boolean {
    return this.#response.headersSent
  }

  get bytesWritten(): number {
    return this.#response.req.socket.bytesWritten - this.#writtenBefore
  }

  sendHead(status: number, headers: HeaderMap, from: 'own' | 'passed'): void {
    this.#response.sendDate = from === 'own'
    const raw = rawHead(headers)
    if (!headers.has('connection')) raw.push('Connection', this.#isKept(headers) ? 'keep-alive' : 'close')
    this.#response.writeHead(status, raw)
  }

  /** HTTP/1.0 has no chunks: only the end of the connection tells where a body of unknown length ends. */
  #isKept(headers: HeaderMap): boolean {
    return this.#response.shouldKeepAlive && (this.#httpVersion >= 1.1 || headers.has('content-length'))
  }

  write(chunk: Uint8Array): boolean {
    return this.#response.write(chunk)
  }

  onDrain(resume: () => void): void {
    this.#response.on('drain', resume)
  }

  end(chunk?: Uint8Array): void {
    this.#response.end(chunk)
  }

  abort(): void {
    if (!this.#response.destroyed) this.#response.destroy()
  }

  closeAfter(): void {
    this.#response.shouldKeepAlive = false
  }

  onClose(listener: () => void): () => void {
    this.#response.once('close', listener)
    return () => this.#response.off('close', listener)
  }

  flushed(): Promise<void> | undefined {
    const response = this.#response
    if (response.destroyed || response.writableFinished) return undefined
    return new Promise(resolve => {
      response.once('finish', resolve)
      response.once('close', resolve)
    })
  }
}

/** Fields of a connection, which HTTP/2 does not have (RFC 9113 §8.2.2). */
const NOT_IN_HTTP2 = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'])

/** Node.js takes this option, and its types do not know it. */
interface DateOptions extends ServerStreamResponseOptions {
  readonly sendDate: boolean
}

const WITHOUT_DATE: DateOptions = { sendDate: false }

/** Answers on a stream of HTTP/2. */
export class Http2Response implements ClientResponse {
  readonly #stream: ServerHttp2Stream
  #bytesWritten = 0

  constructor(stream: ServerHttp2Stream) {
    this.#stream = stream
  }

  get isGone(): boolean {
    return this.#stream.destroyed || this.#stream.closed
  }

  get isHeadSent(): boolean {
    return this.#stream.headersSent
  }

  /** Before compression: what the head would take in HTTP/1.1. */
  get bytesWritten(): number {
    return this.#bytesWritten
  }

  sendHead(status: number, headers: HeaderMap, from: 'own' | 'passed'): void {
    if (this.isGone) return
    const fields: OutgoingHttpHeaders = { ':status': status }
    headers.each((lower, _, value) => {
      if (NOT_IN_HTTP2.has(lower)) return
      const before = fields[lower]
      fields[lower] = before === undefined ? value : [before, value].flat().map(String)
      this.#bytesWritten += lower.length + value.length + 4
    })
    if (from === 'own') fields.date ??= new Date().toUTCString()
    this.#stream.respond(fields, WITHOUT_DATE)
  }

  write(chunk: Uint8Array): boolean {
    // A stream ends with the head of an answer that has no body.
    if (this.isGone || this.#stream.writableEnded) return true
    this.#bytesWritten += chunk.length
    return this.#stream.write(chunk)
  }

  onDrain(resume: () => void): void {
    this.#stream.on('drain', resume)
  }

  end(chunk?: Uint8Array): void {
    if (this.isGone || this.#stream.writableEnded) return
    this.#bytesWritten += chunk?.length ?? 0
    this.#stream.end(chunk)
  }

  abort(): void {
    if (!this.isGone) this.#stream.close(INTERNAL_ERROR)
  }

  closeAfter(): void {
    const { session } = this.#stream
    if (session && !session.closed) session.close()
  }

  onClose(listener: () => void): () => void {
    this.#stream.once('close', listener)
    return () => this.#stream.off('close', listener)
  }

  flushed(): Promise<void> | undefined {
    if (this.isGone) return undefined
    return new Promise(resolve => this.#stream.once('close', () => resolve()))
  }
}

/** RFC 9113 §7. */
const INTERNAL_ERROR = 2
