import { type Host, messageOf, type Timers } from '../../sdk/sdk.ts'
import { decode, type Entry, encode, entryOf, keptMs, type Stored, type StoredRecord } from './entry.ts'
import { lockScript } from './lock.ts'
import { ORDERS_KEY, type PurgeOrders, purgesScript } from './purge.ts'

/** All of a path lies on one slot: its generation, its answers, the locks of those who fetch them. */
const keyOf = (path: string, rest: string): string => `{sluice:cache:${path}}:${rest}`
/** What the keys of stored answers begin with. */
export const KEY_PREFIX = '{sluice:cache:'
export const isAnswerKey = (key: string): boolean => key.includes('}:e:')

/** Longer than anything is stored: an answer of before must not become valid again. */
const GENERATION_MS = 8 * 86_400_000
const VARY_MS = 86_400_000
/** As long as a lock may live. */
const UNLOCK_ATTEMPTS = 300
const UNLOCK_PAUSE_MS = 200

export interface SharedFind {
  readonly generation: string
  readonly record: StoredRecord | undefined
  readonly expiresInMs: number
}

export interface LockOf {
  readonly path: string
  readonly flight: string
  readonly token: string
}

/** What all nodes share. Every call can fail, and then the cache does without. */
export class SharedLevel {
  readonly #host: Pick<Host, 'store' | 'clock' | 'log'>
  readonly #timers: Timers
  readonly #waiting = new Set<() => void>()
  #isClosed = false

  constructor(host: Pick<Host, 'store' | 'clock' | 'log'>, timers: Timers) {
    this.#host = host
    this.#timers = timers
  }

  canReach(path: string): boolean {
    return this.#host.store.canReach(keyOf(path, 'g'))
  }

  /** @throws SluiceError SLUICE_STORE_* */
  async find(path: string, name: string): Promise<SharedFind> {
    const [generation, found] = await this.#host.store.readBytes([keyOf(path, 'g'), keyOf(path, `e:${name}`)])
    return {
      generation: generation === undefined ? '' : Buffer.from(generation.bytes).toString(),
      record: found && decode(found.bytes),
      expiresInMs: found?.expiresInMs ?? 0,
    }
  }

  entryOf(find: SharedFind, orders: PurgeOrders): Entry | undefined {
    const { record, generation, expiresInMs } = find
    if (record?.kind !== 'answer' || record.stored.generation !== generation) return undefined
    if (orders.isPurged(record.stored)) return undefined
    return entryOf(record.stored, record.body, expiresInMs, this.#host.clock.monotonic())
  }

  /** Never fails, and nobody waits for it. */
  putAnswer(name: string, stored: Stored, body: Uint8Array, ageMs: number): Promise<void> {
    return this.#put(stored.path, name, { kind: 'answer', stored, body }, keptMs(stored, ageMs))
  }

  putVary(path: string, primary: string, names: readonly string[]): Promise<void> {
    return this.#put(path, primary, { kind: 'vary', names }, VARY_MS)
  }

  putUncacheable(path: string, name: string, keptForMs: number): Promise<void> {
    return this.#put(path, name, { kind: 'uncacheable' }, keptForMs)
  }

  async #put(path: string, name: string, record: StoredRecord, keptForMs: number): Promise<void> {
    if (keptForMs <= 0) return
    try {
      await this.#host.store.patient.writeBytes(keyOf(path, `e:${name}`), encode(record), keptForMs)
    } catch (error) {
      this.#host.log.debug({ reason: messageOf(error) }, 'an answer was not written to Redis')
    }
  }

  /** @returns false when it could not be told to the other nodes. */
  async raiseGeneration(path: string, generation: string): Promise<boolean> {
    try {
      await this.#host.store.writeBytes(keyOf(path, 'g'), Buffer.from(generation), GENERATION_MS)
      return true
    } catch {
      return false
    }
  }

  /** @returns how long another one fetches it yet at most, milliseconds; 0 where this one may. */
  async lock({ path, flight, token }: LockOf, holdMs: number): Promise<number> {
    const key = keyOf(path, `l:${flight}`)
    // What Redis does late would keep others waiting for nobody.
    const giveBack = () => this.unlock({ path, flight, token })
    try {
      return await this.#host.store.run(lockScript, key, { token, holdMs }, answer => {
        if (holdMs > 0) answer.then(giveBack, () => {})
      })
    } catch {
      return 0
    }
  }

  /** Tries again while Redis is away: until the lock ends by itself, others wait. */
  unlock({ path, flight, token }: LockOf, attempt = 1): void {
    const { store } = this.#host
    Promise.resolve(store.run(lockScript, keyOf(path, `l:${flight}`), { token, holdMs: 0 })).catch(() => {
      if (attempt >= UNLOCK_ATTEMPTS || this.#isClosed) return
      const callOff = this.#timers.after(UNLOCK_PAUSE_MS, () => {
        this.#waiting.delete(callOff)
        this.unlock({ path, flight, token }, attempt + 1)
      })
      this.#waiting.add(callOff)
    })
  }

  close(): void {
    this.#isClosed = true
    for (const callOff of this.#waiting) callOff()
    this.#waiting.clear()
  }

  /** @throws SluiceError SLUICE_STORE_* */
  async readOrders(orders: PurgeOrders): Promise<void> {
    const reply = await this.#host.store.patient.run(purgesScript, ORDERS_KEY, [])
    orders.replace(reply.orders, reply.floor)
  }
}
