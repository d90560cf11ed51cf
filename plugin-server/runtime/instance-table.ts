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
  const byId = new Map<number, Entry>()
  const byKey = new Map<string, Entry>()
  let nextId = firstId

  const takeId = () => {
    let id = nextId
    // Not 0, which ProtoBuf leaves out, and no negative ones.
    do id = id >= 0x7fff_ffff || id < 1 ? 1 : id + 1
    while (byId.has(id))
    nextId = id
    return id
  }
  const forget = (id: number) => {
    const entry = byId.get(id)
    if (!entry) return
    byId.delete(id)
    if (byKey.get(entry.key) === entry) byKey.delete(entry.key)
  }

  return {
    start(key, entity) {
      const known = byKey.get(key)
      if (known) {
        known.references++
        known.touchedAtMs = clock.now()
        known.superseded = false
        return { id: known.id, isNew: false }
      }
      for (const entry of byId.values()) if (entry.entity === entity) entry.superseded = true
      const entry: Entry = {
        id: takeId(),
        key,
        entity,
        references: 1,
        superseded: false,
        touchedAtMs: clock.now(),
      }
      byId.set(entry.id, entry)
      byKey.set(key, entry)
      return { id: entry.id, isNew: true }
    },
    close(id) {
      const entry = byId.get(id)
      // Kept for a while: a request of the same worker may already hold the id.
      if (entry) entry.references = Math.max(0, entry.references - 1)
    },
    forget,
    collect(usedAtMs) {
      const now = clock.now()
      const old: number[] = []
      for (const entry of byId.values()) {
        const keepMs =
          entry.references === 0 ? KEEP_CLOSED_MS : entry.superseded ? KEEP_SUPERSEDED_MS : KEEP_UNUSED_MS
        if (now - Math.max(entry.touchedAtMs, usedAtMs(entry.id)) > keepMs) old.push(entry.id)
      }
      for (const id of old) forget(id)
      return old
    },
  }
}
