import type { ServerResponse } from 'node:http'
import type { HeaderMap } from './header-map.ts'
import { rawHead } from './response-head.ts'

/** The way back to a client, whichever version of HTTP it speaks. */
export interface ClientResponse {
  /** The client left, or the answer was broken off. */
  readonly isGone: boolean
  readonly isHeadSent: boolean
  /** Of this answer, head and body, as they went out. */
  readonly bytesWritten: number
  sendHead(status: number, headers: HeaderMap): void
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

  sendHead(status: number, headers: HeaderMap): void {
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
