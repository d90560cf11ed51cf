/** How fast targets may be taken out. */
export interface GuardLimits {
  /** Within this time no more than half of an upstream's targets are taken out at once, milliseconds. */
  readonly holdMs: number
  /** The last targets of an upstream stay this long after Consul named no other, milliseconds. */
  readonly emptyAfterMs: number
}

/** What the guard remembers of an upstream. */
export interface GuardMemory {
  /** Since when a target is not passing any more. */
  readonly missingSinceMs: ReadonlyMap<string, number>
  /** When targets were taken out lately. */
  readonly removedAtMs: readonly number[]
}

export const EMPTY_MEMORY: GuardMemory = { missingSinceMs: new Map(), removedAtMs: [] }

export interface Verdict {
  readonly remove: readonly string[]
  /** Not passing, but kept for now. */
  readonly held: readonly string[]
  /** When one of them may go; undefined when none is held. */
  readonly againAtMs: number | undefined
  readonly memory: GuardMemory
}

/**
 * Decides which targets may go. A Consul that was restored, or has just lost its state, names few instances or none
 * for a while, though all are well: so half of an upstream may go at once, more only after they have been missing for
 * `holdMs`, and the last ones only after `emptyAfterMs`.
 *
 * @param present addresses of the targets that Kong has from us
 * @param wanted addresses of the instances that pass
 */
export function decideRemovals(
  present: readonly string[],
  wanted: ReadonlySet<string>,
  memory: GuardMemory,
  nowMs: number,
  limits: GuardLimits,
): Verdict {
  const missing = present.filter(address => !wanted.has(address)).sort()
  const missingSinceMs = new Map(
    missing.map(address => [address, memory.missingSinceMs.get(address) ?? nowMs]),
  )
  const removedLately = memory.removedAtMs.filter(atMs => atMs > nowMs - limits.holdMs)
  const size = new Set([...present, ...wanted]).size + removedLately.length
  const waitMs = wanted.size === 0 ? limits.emptyAfterMs : limits.holdMs
  const mayGoAtMs = (address: string) => missingSinceMs.get(address)! + waitMs
  let budget = wanted.size === 0 ? 0 : Math.floor(size / 2) - removedLately.length
  const remove: string[] = []
  const held: string[] = []
  for (const address of missing) {
    if (mayGoAtMs(address) <= nowMs || budget-- > 0) remove.push(address)
    else held.push(address)
  }
  for (const address of remove) missingSinceMs.delete(address)
  return {
    remove,
    held,
    againAtMs: held.length === 0 ? undefined : Math.min(...held.map(mayGoAtMs)),
    memory: { missingSinceMs, removedAtMs: [...removedLately, ...remove.map(() => nowMs)] },
  }
}
