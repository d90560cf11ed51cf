/**
 * Which instance has which id. Kept once a server: by the process itself, or for several workers by their parent.
 *
 * Kong closes an instance that it replaces, but never one that it reset or whose plugin was deleted, so the rest is
 * collected by use.
 */
import type { Clock } from '../../foundation/clock.ts'

/** How long an instance is kept without an event: after Kong closed it, after a newer one replaced it, otherwise. */
const KEEP_CLOSED_MS = 60_000
const KEEP_SUPERSEDED_MS = 600_000
const KEEP_UNUSED_MS = 6 * 3_600_000

interface Entry {
  readonly id: number
  readonly key: string
  readonly entity: string
  /** How many of Kong's workers started it and did not close it. */
  references: number
  superseded: boolean
  touchedAtMs: number
}

export interface InstanceTable {
  /**
   * @param key equal for equal configurations of one plugin entity.
   * @param entity the plugin entity, to know when a configuration has been replaced.
   */
  start(key: string, entity: string): { readonly id: number; readonly isNew: boolean }
  close(id: number): void
  forget(id: number): void
  /**
   * Forgets what has not been used for long.
   *
   * @param usedAtMs when an instance last had an event, milliseconds since the epoch.
   * @returns their ids.
   */
  collect(usedAtMs: (id: number) => number): number[]
}

/** @param firstId random in int32, so that ids do not repeat after a restart. */
export function createInstanceTable(clock: Clock, firstId: number): InstanceTable {
  return new Table(clock, firstId)
}

class Table implements InstanceTable {
  readonly #clock: Clock
  readonly #byId = new Map<number, Entry>()
  readonly #byKey = new Map<string, Entry>()
  #nextId: number

  constructor(clock: Clock, firstId: number) {
    this.#clock = clock
    this.#nextId = firstId
  }

  start(key: string, entity: string): { readonly id: number; readonly isNew: boolean } {
    const touchedAtMs = this.#clock.now()
    const known = this.#byKey.get(key)
    if (known) {
      known.references++
      known.touchedAtMs = touchedAtMs
      known.superseded = false
      return { id: known.id, isNew: false }
    }
    for (const entry of this.#byId.values()) if (entry.entity === entity) entry.superseded = true
    const entry: Entry = { id: this.#takeId(), key, entity, references: 1, superseded: false, touchedAtMs }
    this.#byId.set(entry.id, entry)
    this.#byKey.set(key, entry)
    return { id: entry.id, isNew: true }
  }

  close(id: number): void {
    const entry = this.#byId.get(id)
    // Kept for a while: a request of the same worker may already hold the id.
    if (entry) entry.references = Math.max(0, entry.references - 1)
  }

  forget(id: number): void {
    const entry = this.#byId.get(id)
    if (!entry) return
    this.#byId.delete(id)
    if (this.#byKey.get(entry.key) === entry) this.#byKey.delete(entry.key)
  }

  collect(usedAtMs: (id: number) => number): number[] {
    const now = this.#clock.now()
    const isOld = (entry: Entry) => now - Math.max(entry.touchedAtMs, usedAtMs(entry.id)) > keepMs(entry)
    const old = [...this.#byId.values()].filter(isOld).map(({ id }) => id)
    for (const id of old) this.forget(id)
    return old
  }

  #takeId(): number {
    let id = this.#nextId
    // Not 0, which ProtoBuf does not write, and no negative ones.
    do id = id >= 0x7fff_ffff || id < 1 ? 1 : id + 1
    while (this.#byId.has(id))
    this.#nextId = id
    return id
  }
}

function keepMs({ references, superseded }: Entry): number {
  if (references === 0) return KEEP_CLOSED_MS
  return superseded ? KEEP_SUPERSEDED_MS : KEEP_UNUSED_MS
}
