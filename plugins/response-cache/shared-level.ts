import { type Host, messageOf } from '../../sdk/sdk.ts'
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

export interface SharedFind {
  readonly generation: string
  readonly record: StoredRecord | undefined
  readonly expiresInMs: number
}

/** What all nodes share. Every call can fail, and then the cache does without. */
export class SharedLevel {
  readonly #host: Pick<Host, 'store' | 'clock' | 'log'>

  constructor(host: Pick<Host, 'store' | 'clock' | 'log'>) {
    this.#host = host
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
  async lock(path: string, flight: string, token: string, holdMs: number): Promise<number> {
    try {
      return await this.#host.store.run(lockScript, keyOf(path, `l:${flight}`), { token, holdMs })
    } catch {
      return 0
    }
  }

  async unlock(path: string, flight: string, token: string): Promise<void> {
    await this.lock(path, flight, token, 0)
  }

  /** @throws SluiceError SLUICE_STORE_* */
  async readOrders(orders: PurgeOrders): Promise<void> {
    const reply = await this.#host.store.patient.run(purgesScript, ORDERS_KEY, [])
    orders.replace(reply.orders, reply.floor)
  }
}
