/** How fast targets may be taken out. */
export interface GuardLimits {
  /** How far back an upstream's size counts, and how long targets beyond the half of it stay, milliseconds. */
  readonly holdMs: number
  /** The last targets of an upstream stay this long after Consul named no other, milliseconds. */
  readonly emptyAfterMs: number
}

/** What the guard remembers of an upstream. */
export interface GuardMemory {
  /** Since when a target is not passing any more. */
  readonly missingSinceMs: ReadonlyMap<string, number>
  /** How many targets there were lately. */
  readonly sizes: readonly { readonly atMs: number; readonly count: number }[]
}

export const EMPTY_MEMORY: GuardMemory = { missingSinceMs: new Map(), sizes: [] }

export interface Verdict {
  readonly remove: readonly string[]
  /** Not passing, but kept for now. */
  readonly held: readonly string[]
  /** When one of them may go; undefined when none is held. */
  readonly againAtMs: number | undefined
  readonly memory: GuardMemory
}

export interface Targets {
  /** Addresses of the targets that Kong has from us. */
  readonly present: readonly string[]
  /** Addresses of the instances that pass. */
  readonly wanted: ReadonlySet<string>
}

/**
 * Decides which targets may go. A Consul that was restored, or has just lost its state, names few instances or none
 * for a while, though all are well. So an upstream keeps at least half as many targets as it had lately; more go only
 * after they have been missing for `holdMs`, and the last ones only after `emptyAfterMs`.
 */
export function decideRemovals(
  { present, wanted }: Targets,
  memory: GuardMemory,
  nowMs: number,
  limits: GuardLimits,
): Verdict {
  const missing = present.filter(address => !wanted.has(address)).sort()
  const missingSinceMs = new Map(
    missing.map(address => [address, memory.missingSinceMs.get(address) ?? nowMs]),
  )
  const count = new Set([...present, ...wanted]).size
  const sizes = [...memory.sizes.filter(({ atMs }) => atMs > nowMs - limits.holdMs), { atMs: nowMs, count }]
  const peak = Math.max(...sizes.map(size => size.count))
  const waitMs = wanted.size === 0 ? limits.emptyAfterMs : limits.holdMs
  const mayGoAtMs = (address: string) => missingSinceMs.get(address)! + waitMs
  let budget = wanted.size === 0 ? 0 : count - Math.ceil(peak / 2)
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
    memory: { missingSinceMs, sizes },
  }
}
