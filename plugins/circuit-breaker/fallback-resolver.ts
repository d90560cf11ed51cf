import { lookup } from 'node:dns/promises'
import type { Clock } from '../../sdk/sdk.ts'

/** IPv4 address of a host; rejects where there is none. */
export type Lookup = (host: string) => Promise<string>

/** How long an address is used before it is asked for again. */
const FRESH_MS = 5000
/** A request waits no longer for a name server. */
const PATIENCE_MS = 250

const systemLookup: Lookup = async host => (await lookup(host, { family: 4 })).address

interface Known {
  address: string | undefined
  freshUntilMs: number
  asking: Promise<void> | undefined
}

/** Addresses of fallbacks, for services where Kong itself would not ask for them. */
export class FallbackResolver {
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #lookup: Lookup
  readonly #known = new Map<string, Known>()

  constructor(clock: Pick<Clock, 'monotonic'>, ask: Lookup = systemLookup) {
    this.#clock = clock
    this.#lookup = ask
  }

  /** The last address that was known where the name server fails; undefined where there never was one. */
  async addressOf(host: string): Promise<string | undefined> {
    const known = this.#known.get(host) ?? { address: undefined, freshUntilMs: 0, asking: undefined }
    this.#known.set(host, known)
    if (this.#clock.monotonic() < known.freshUntilMs) return known.address
    known.asking ??= this.#ask(host, known)
    if (known.address === undefined) await Promise.race([known.asking, patience()])
    return known.address
  }

  async #ask(host: string, known: Known): Promise<void> {
    try {
      known.address = await this.#lookup(host)
    } catch {
      // The name server is asked again later, the address of before is used until then.
    }
    known.freshUntilMs = this.#clock.monotonic() + FRESH_MS
    known.asking = undefined
  }
}

const patience = (): Promise<void> => new Promise(resolve => setTimeout(resolve, PATIENCE_MS).unref())
