import { messageOf, SluiceError } from '../../foundation/errors.ts'
import type { ConsulClient, ServiceQuery } from './client.ts'
import type { Instance } from './instances.ts'

/** Is told what Consul says. */
export interface WatchListener {
  /** Consul answered; the instances may be the same as before. */
  known(instances: readonly Instance[]): void
  /** Consul does not answer, or refuses. Told at each failure. */
  lost(error: SluiceError): void
}

/** Time and chance, so that tests can hold both. */
export interface WatchParts {
  /** Milliseconds that never go back. */
  readonly monotonic: () => number
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly wait: (ms: number, signal?: AbortSignal) => Promise<void>
}

/** How long Consul holds a question without news. */
const WAIT_MS = 60_000
/** Questions of a service whose state changes all the time are asked no more often than this. */
const EVERY_MS = 50
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 2_000

/**
 * The index for the next question. After Consul's rules (https://developer.hashicorp.com/consul/api-docs/features/blocking):
 * one that went backwards starts anew from 0, since a lower one may belong to a restored or another Consul, whose state
 * would not reach the higher index for long; one that is no index does not make the next question answer at once.
 */
export function nextIndex(previous: number, received: number): number {
  if (received < previous) return 0
  return Math.max(1, received)
}

/** Asks Consul for a service, again and again, until the signal comes. Resolves then. */
export async function watchService(
  consul: Pick<ConsulClient, 'passing'>,
  query: ServiceQuery,
  listener: WatchListener,
  parts: WatchParts & { readonly signal: AbortSignal },
): Promise<void> {
  const { signal } = parts
  let index = 0
  let limitMs = FIRST_PAUSE_MS
  while (!signal.aborted) {
    const askedAtMs = parts.monotonic()
    try {
      const answer = await consul.passing(query, { index, waitMs: WAIT_MS, signal })
      index = nextIndex(index, answer.index)
      limitMs = FIRST_PAUSE_MS
      listener.known(answer.instances)
      await parts.wait(Math.max(0, askedAtMs + EVERY_MS - parts.monotonic()), signal)
    } catch (error) {
      if (signal.aborted) return
      // Who comes back may have another state: ask for it at once.
      index = 0
      listener.lost(error instanceof SluiceError ? error : unreadable(error))
      await parts.wait(limitMs * (0.5 + parts.random() / 2), signal)
      limitMs = Math.min(limitMs * 2, LONGEST_PAUSE_MS)
    }
  }
}

const unreadable = (error: unknown) =>
  new SluiceError('SLUICE_CONSUL_REFUSED', `Consul's answer can't be read: ${messageOf(error)}`)
