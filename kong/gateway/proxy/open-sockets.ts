import type { Duplex } from 'node:stream'

/** A response in progress, as the end of its connection sees it. */
export interface Underway {
  /** The connection closes after this answer. */
  closeAfter(): void
}

/**
 * Which connections are open, and which of them have a request in progress. Node.js itself knows neither connections
 * that never sent a request nor those that were upgraded.
 */
export class OpenSockets {
  readonly #open = new Map<Duplex, Set<Underway>>()
  #isClosing = false

  get size(): number {
    return this.#open.size
  }

  add(socket: Duplex): void {
    if (this.#open.has(socket)) return
    this.#open.set(socket, new Set())
    socket.once('close', () => this.#open.delete(socket))
  }

  begin(socket: Duplex, answer: Underway): void {
    if (this.#isClosing) answer.closeAfter()
    this.#open.get(socket)?.add(answer)
  }

  end(socket: Duplex, answer: Underway): void {
    const answers = this.#open.get(socket)
    answers?.delete(answer)
    if (this.#isClosing && answers?.size === 0) socket.end(() => socket.destroy())
  }

  /** Closes idle connections now, and every other one after its response. */
  closeIdle(): void {
    this.#isClosing = true
    for (const [socket, answers] of this.#open) {
      if (answers.size === 0) socket.destroy()
      for (const answer of answers) answer.closeAfter()
    }
  }

  closeAll(): void {
    for (const socket of this.#open.keys()) socket.destroy()
  }
}
