import { networkOf } from '../../sdk/log-data/address.ts'
import { BoundedMap } from '../../sdk/sdk.ts'

/** Addresses, fingerprints or credentials that are remembered; beyond that the oldest is forgotten. */
const REMEMBERED = 50_000
/** Networks of one credential, and addresses of one fingerprint. */
const REMEMBERED_EACH = 1_000

interface Failures {
  startMs: number
  count: number
  reported: boolean
  readonly addresses: Set<string>
}

export interface DetectionLimits {
  readonly failures: number
  readonly addresses: number
  readonly windowMs: number
}

export interface BruteForce {
  readonly pattern: 'address' | 'fingerprint'
  readonly failures: number
  readonly addresses: number
}

export interface FirstSeen {
  readonly network: string
  readonly knownNetworks: number
}

/**
 * What the process has seen of failures and of networks. Kept in memory, bounded, per process: it notices, it does
 * not protect. Times are milliseconds of a clock that never goes back.
 */
export class Detection {
  readonly #byAddress = new BoundedMap<Failures>(REMEMBERED)
  readonly #byFingerprint = new BoundedMap<Failures>(REMEMBERED)
  readonly #networks = new BoundedMap<Set<string>>(REMEMBERED)

  /** Counts a failed attempt; gives what it completes, at most once a window each. */
  failed(
    address: string | undefined,
    fingerprint: string | undefined,
    limits: DetectionLimits,
    nowMs: number,
  ): BruteForce[] {
    const found: BruteForce[] = []
    if (address !== undefined) {
      const seen = windowOf(this.#byAddress, address, limits.windowMs, nowMs)
      seen.count++
      if (seen.count > limits.failures && !seen.reported) {
        seen.reported = true
        found.push({ pattern: 'address', failures: seen.count, addresses: 1 })
      }
    }
    if (address !== undefined && fingerprint !== undefined) {
      const seen = windowOf(this.#byFingerprint, fingerprint, limits.windowMs, nowMs)
      seen.count++
      if (seen.addresses.size < REMEMBERED_EACH) seen.addresses.add(address)
      if (seen.addresses.size >= limits.addresses && !seen.reported) {
        seen.reported = true
        found.push({ pattern: 'fingerprint', failures: seen.count, addresses: seen.addresses.size })
      }
    }
    return found
  }

  /**
   * Notes where a credential was used. The first network of a credential is learned without a word: after a start
   * every one would be new.
   */
  used(credentialId: string, address: string | undefined): FirstSeen | undefined {
    const network = address === undefined ? undefined : networkOf(address)
    if (network === undefined) return undefined
    const known = this.#networks.get(credentialId)
    if (!known) {
      this.#networks.set(credentialId, new Set([network]))
      return undefined
    }
    if (known.has(network) || known.size >= REMEMBERED_EACH) return undefined
    known.add(network)
    return { network, knownNetworks: known.size - 1 }
  }
}

function windowOf(all: BoundedMap<Failures>, name: string, windowMs: number, nowMs: number): Failures {
  const known = all.get(name)
  if (known && nowMs - known.startMs < windowMs) return known
  const fresh = { startMs: nowMs, count: 0, reported: false, addresses: new Set<string>() }
  all.set(name, fresh)
  return fresh
}
