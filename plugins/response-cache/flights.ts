/** Who fetches what in this process, and who waits for it. */
import type { Timers } from '../../sdk/sdk.ts'
import type { Entry } from './entry.ts'

export type Outcome =
  /** `name`: of the variant that it is. */
  | { readonly kind: 'entry'; readonly entry: Entry; readonly name: string; readonly isFetched: boolean }
  | { readonly kind: 'uncacheable' }
  | { readonly kind: 'failed' }
  /** Nobody knows what became of it: somebody else may try. */
  | { readonly kind: 'abandoned' }

export class Flight {
  readonly name: string
  readonly token: string
  readonly outcome: Promise<Outcome>
  /** Of requests that wait for it. */
  waiting = 0
  settled: Outcome | undefined
  #resolve!: (outcome: Outcome) => void
  #callOff: (() => void) | undefined

  constructor(name: string, token: string) {
    this.name = name
    this.token = token
    this.outcome = new Promise(resolve => {
      this.#resolve = resolve
    })
  }

  settle(outcome: Outcome): void {
    if (this.settled) return
    this.settled = outcome
    this.#callOff?.()
    this.#resolve(outcome)
  }

  abandonAfter(ms: number, timers: Timers): void {
    this.#callOff?.()
    if (!this.settled) this.#callOff = timers.after(ms, () => this.settle({ kind: 'abandoned' }))
  }
}

/** More do not wait: they go on to the service. */
const MAX_WAITING = 10_000

export class Flights {
  readonly #flights = new Map<string, Flight>()
  #waiting = 0

  get(name: string): Flight | undefined {
    return this.#flights.get(name)
  }

  begin(name: string, token: string): Flight {
    const flight = new Flight(name, token)
    this.#flights.set(name, flight)
    void flight.outcome.then(() => {
      if (this.#flights.get(name) === flight) this.#flights.delete(name)
    })
    return flight
  }

  /** @returns undefined where too many wait already. */
  async wait(flight: Flight): Promise<Outcome | undefined> {
    if (this.#waiting >= MAX_WAITING) return undefined
    this.#waiting++
    flight.waiting++
    try {
      return await flight.outcome
    } finally {
      this.#waiting--
      flight.waiting--
    }
  }

  close(): void {
    for (const flight of this.#flights.values()) flight.settle({ kind: 'failed' })
  }
}
