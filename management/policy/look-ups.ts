import { lookup } from 'node:dns/promises'
import { BoundedMap } from '../../foundation/bounded-map.ts'
import type { Clock } from '../../foundation/clock.ts'
import type { Timers } from '../../foundation/timers.ts'

const RESOLVE_MS = 2_000
const GOOD_FOR_MS = 5_000
const REMEMBERED = 10_000
/** Each holds one of Node's four threads until the resolver gives up; files and ciphers need the others. */
const AT_ONCE = 2

/** Resolves names as this host does. A name without an answer in time leads nowhere. */
export class LookUps {
  readonly #timers: Timers
  readonly #clock: Clock
  readonly #known = new BoundedMap<{ readonly asked: Promise<readonly string[]>; readonly untilMs: number }>(
    REMEMBERED,
  )
  readonly #waiting: (() => void)[] = []
  #active = 0

  constructor(timers: Timers, clock: Clock) {
    this.#timers = timers
    this.#clock = clock
  }

  addressesOf(host: string): Promise<readonly string[]> {
    const known = this.#known.get(host)
    const nowMs = this.#clock.monotonic()
    if (known && nowMs < known.untilMs) return known.asked
    const asked = this.#ask(host)
    this.#known.set(host, { asked, untilMs: nowMs + GOOD_FOR_MS })
    return asked
  }

  #ask(host: string): Promise<readonly string[]> {
    return new Promise(resolve => {
      const giveUp = this.#timers.after(RESOLVE_MS, () => resolve([]))
      this.#whenFree(async () => {
        const found = await lookup(host, { all: true }).catch(() => [])
        giveUp()
        resolve(found.map(({ address }) => address))
      })
    })
  }

  #whenFree(work: () => Promise<void>): void {
    const start = () => {
      this.#active++
      void work().finally(() => {
        this.#active--
        this.#waiting.shift()?.()
      })
    }
    if (this.#active < AT_ONCE) start()
    else this.#waiting.push(start)
  }
}
