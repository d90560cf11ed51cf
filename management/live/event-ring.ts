import { frameOf, type LiveEvent } from './live-event.ts'

export interface RingEntry {
  readonly id: string
  readonly type: string
  readonly timeMs: number
  /** As it is sent. */
  readonly frame: string
}

export interface RingLimits {
  readonly events: number
  /** Of the frames, characters. */
  readonly size: number
}

/** The newest events of this process in the order in which they came. Positions grow for ever. */
export class EventRing {
  readonly #limits: RingLimits
  readonly #entries = new Map<number, RingEntry>()
  readonly #positions = new Map<string, number>()
  #start = 0
  #end = 0
  #size = 0

  constructor(limits: RingLimits) {
    this.#limits = limits
  }

  /** Position of the oldest event that is kept. */
  get start(): number {
    return this.#start
  }

  /** Position of the next event. */
  get end(): number {
    return this.#end
  }

  add(event: LiveEvent): void {
    const frame = frameOf(event)
    this.#entries.set(this.#end, { id: event.id, type: event.type, timeMs: Date.parse(event.time), frame })
    this.#positions.set(event.id, this.#end)
    this.#end++
    this.#size += frame.length
    while (this.#end - this.#start > this.#limits.events || this.#size > this.#limits.size) this.#drop()
  }

  at(position: number): RingEntry | undefined {
    return this.#entries.get(position)
  }

  /** Undefined for an event that is not kept. */
  positionOf(id: string): number | undefined {
    return this.#positions.get(id)
  }

  #drop(): void {
    const oldest = this.#entries.get(this.#start)
    this.#entries.delete(this.#start)
    this.#start++
    if (!oldest) return
    this.#positions.delete(oldest.id)
    this.#size -= oldest.frame.length
  }
}
