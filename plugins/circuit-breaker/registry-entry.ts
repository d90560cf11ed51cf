import type { ProbeKind, SettledProbe } from './breaker.ts'
import type { Settings } from './config.ts'
import { createNodeBreaker, type NodeBreaker } from './node-breaker.ts'
import { createTally, type Tally } from './tally.ts'

/** A breaker on this node, with what the node keeps beside its state. */
export interface RegistryEntry {
  readonly breaker: NodeBreaker
  /** For people: the name of the service or route, or its id while no name is known. */
  name: string
  /** The name; empty while it is not known. */
  named: string
  readonly tally: Tally
  /** Number of the configuration in force: a later instance's replaces an earlier one's. */
  configured: number
  /** Set until the state has been read from the store for the first time. */
  loading: Promise<void> | undefined
  isSyncing: boolean
  /** Requests have come since the last report. */
  isDirty: boolean
  isActive: boolean
  usedAtMs: number
  syncedAtMs: number
  /** Tokens of permits that were requested; kept until the answer is known, so that a retry finds the same permit. */
  readonly tokens: Record<ProbeKind, string | undefined>
  isAsking: boolean
  /** Results that the store has not taken yet. */
  readonly unsettled: SettledProbe[]
}

/** A configuration with its place in the order in which they came. */
export interface Configured {
  readonly settings: Settings
  readonly number: number
}

export function createRegistryEntry(
  key: string,
  { settings, number }: Configured,
  name: string | undefined,
  nowMs: number,
): RegistryEntry {
  return {
    breaker: createNodeBreaker(key, settings.policy, settings.window),
    name: name ?? key.slice(key.indexOf(':') + 1),
    named: name ?? '',
    tally: createTally(),
    configured: number,
    loading: undefined,
    isSyncing: false,
    isDirty: false,
    isActive: false,
    usedAtMs: nowMs,
    syncedAtMs: nowMs,
    tokens: { request: undefined, stream: undefined },
    isAsking: false,
    unsettled: [],
  }
}
