/** One event of a stream (HTML, 9.2.6). */
export interface StreamEvent {
  readonly id: string
  readonly type: string
  readonly data: string
}

/** Reads Server-Sent Events out of pieces of text as they come. */
export class EventStreamReader {
  #rest = ''
  #id = ''
  #type = ''
  #data: string[] = []

  /** @returns the events that the piece completes */
  read(piece: string): readonly StreamEvent[] {
    const events: StreamEvent[] = []
    const lines = (this.#rest + piece).split(/\r\n|\n|\r(?!$)/)
    this.#rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line !== '') this.#take(line)
      else if (this.#data.length > 0 || this.#type !== '') events.push(this.#complete())
    }
    return events
  }

  #take(line: string): void {
    const colon = line.indexOf(':')
    // A comment keeps the connection open.
    if (colon === 0) return
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (name === 'data') this.#data.push(value)
    else if (name === 'event') this.#type = value
    else if (name === 'id') this.#id = value
  }

  #complete(): StreamEvent {
    const event = { id: this.#id, type: this.#type || 'message', data: this.#data.join('\n') }
    this.#type = ''
    this.#data = []
    return event
  }
}
