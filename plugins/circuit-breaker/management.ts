import { messageOf, SluiceError, type Store } from '../../sdk/sdk.ts'
import { CHANNEL, toMessage } from './channel.ts'
import { AUTO, type ModeSetting } from './mode.ts'
import type { Policy } from './policy.ts'
import {
  type BreakerCall,
  breakerScript,
  KEY_PREFIX,
  type Operation,
  type Snapshot,
  storeKey,
} from './script.ts'

/** A breaker as an operator sees it. */
export interface ManagedBreaker {
  /** `service:<id>` or `route:<id>` */
  readonly key: string
  readonly snapshot: Snapshot
}

/** What an operator orders; it ends by itself. */
export type Order = Omit<ModeSetting, 'sequence'>

/** A breaker is in use as long as some process has reported requests within this time: that is done every second. */
const UNUSED_MS = 60_000

/**
 * Every breaker that the store knows, by name.
 *
 * @param options.stale also those of services that were replaced: they bear the name of another breaker, which is in
 * use, while nobody uses them. Kong's ids change when a service is deleted and made anew, and the store forgets a
 * breaker only an hour after its last request.
 */
export async function listBreakers(
  store: Store,
  { stale = false }: { readonly stale?: boolean } = {},
): Promise<ManagedBreaker[]> {
  const all = await readBreakers(store)
  return stale ? all : all.filter(breaker => !all.some(other => replaces(other, breaker)))
}

function replaces(other: ManagedBreaker, breaker: ManagedBreaker): boolean {
  return (
    other.key !== breaker.key &&
    kindOf(other) === kindOf(breaker) &&
    breaker.snapshot.name !== '' &&
    other.snapshot.name === breaker.snapshot.name &&
    !isUsed(breaker) &&
    isUsed(other)
  )
}

const kindOf = ({ key }: ManagedBreaker): string => key.slice(0, key.indexOf(':'))
const isUsed = ({ snapshot: { idleMs } }: ManagedBreaker): boolean =>
  idleMs !== undefined && idleMs < UNUSED_MS

async function readBreakers(store: Store): Promise<ManagedBreaker[]> {
  const found: ManagedBreaker[] = []
  for await (const stored of store.keys(KEY_PREFIX)) {
    // Beside it may lie what others need on the same slot.
    if (!stored.endsWith('}')) continue
    const key = stored.slice(KEY_PREFIX.length, -1)
    found.push({ key, snapshot: await ask(store, key, { op: 'read' }, AUTO) })
  }
  const nameOf = ({ key, snapshot }: ManagedBreaker) => snapshot.name || key
  return found.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
}

/**
 * Finds a breaker by its key, by the id or by the name of what it protects.
 *
 * A name means the breakers that are not stale; a key or an id any.
 *
 * @throws SluiceError SLUICE_CLI_USAGE when there is none, or when several answer to the name.
 */
export async function findBreaker(store: Store, name: string): Promise<ManagedBreaker> {
  const all = await listBreakers(store, { stale: true })
  const exact = all.filter(({ key }) => key === name || key.slice(key.indexOf(':') + 1) === name)
  const found =
    exact.length > 0
      ? exact
      : all.filter(breaker => breaker.snapshot.name === name && !all.some(other => replaces(other, breaker)))
  const [first] = found
  if (first && found.length === 1) return first
  if (found.length > 1)
    throw new SluiceError(
      'SLUICE_CLI_USAGE',
      `${JSON.stringify(name)} is the name of ${found.map(({ key }) => key).join(' and ')}; give one of these`,
      { details: { found: found.length } },
    )
  const known = all.map(({ key, snapshot }) => snapshot.name || key)
  throw new SluiceError(
    'SLUICE_CLI_USAGE',
    `there is no breaker ${JSON.stringify(name)}; ${known.length > 0 ? `known: ${known.join(', ')}` : 'none has had a request yet'}`,
    { details: { found: 0 } },
  )
}

/** Orders the mode of a breaker, and tells every node. */
export async function orderMode(store: Store, key: string, order: Order): Promise<ManagedBreaker> {
  const snapshot = await ask(store, key, { op: 'mode' }, { ...order, sequence: 0 })
  try {
    await store.publish(CHANNEL, toMessage(key, snapshot))
  } catch (error) {
    throw new SluiceError(
      'SLUICE_STORE_UNAVAILABLE',
      `the order is stored, but could not be pushed to the nodes immediately: ${messageOf(error)}`,
      { cause: error },
    )
  }
  return { key, snapshot }
}

async function ask(store: Store, key: string, operation: Operation, mode: ModeSetting): Promise<Snapshot> {
  const call: BreakerCall = {
    operation,
    node: '',
    name: '',
    policy: LOOKS_ON,
    known: { phase: 'closed', generation: 0, attempt: 0, remainingMs: 0, cause: undefined },
    mode,
    draw: 0,
  }
  return await store.run(breakerScript, storeKey(key), call)
}

/** Nothing is decided by it. */
const LOOKS_ON: Policy = {
  failureRate: 1,
  slowCallRate: 1,
  minimumCalls: 1,
  connectionFailures: 0,
  quorumNodes: 1,
  openMs: 1,
  maxOpenMs: 1,
  openJitter: 0,
  permits: 1,
  probeMs: 1,
  recoveryMs: 1,
  liveMs: 1,
}
