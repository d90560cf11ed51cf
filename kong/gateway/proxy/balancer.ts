import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Target, Upstream } from '../../entities/entities.ts'
import type { TargetHealth } from '../state/health.ts'
import type { Snapshot } from '../state/state.ts'
import type { Exchange } from './exchange.ts'

/** Where one try goes. */
export interface Peer {
  readonly ip: string
  readonly port: number
  /** The name from which the Host header is made. */
  readonly hostname: string
  /** Reports that the try is over. */
  release(): void
}

/** Gives the peers of one request, one for each try. */
export interface PeerSource {
  /** @returns a refusal in Kong's words when there is no peer */
  next(): Promise<Peer | Refusal>
}

export interface Refusal {
  readonly status: number
  readonly message: string
}

/**
 * Finds peers: targets of an upstream, or the addresses of a host name. Targets are not probed; the Admin API can take
 * one out.
 */
export interface Balancer {
  has(upstreamName: string): boolean
  peers(exchange: Exchange, host: string, port: number): PeerSource
}

const NO_PEER: Refusal = { status: 503, message: 'failure to get a peer from the ring-balancer' }
const NO_NAME: Refusal = { status: 503, message: 'name resolution failed' }
const DEFAULT_PORT = 80

export interface BalancerOptions {
  readonly resolver: Resolver
  readonly health: Pick<TargetHealth, 'isHealthy'>
}

export function createBalancer(snapshot: Snapshot, { resolver, health }: BalancerOptions): Balancer {
  const rings = new Map<string, Ring>()
  for (const upstream of snapshot.list('upstreams'))
    rings.set(
      upstream.name,
      createRing(upstream, snapshot.referring('targets', 'upstream', upstream.id), health),
    )

  const direct = async (host: string, port: number, hostname = host): Promise<Peer | Refusal> => {
    const ip = isIP(host) ? host : await resolver.resolve(host)
    return ip === undefined ? NO_NAME : { ip, port, hostname, release() {} }
  }

  return {
    has: name => rings.has(name),
    peers(exchange, host, port) {
      const ring = rings.get(host)
      if (!ring) return { next: () => direct(host, port) }
      const tried = new Set<Slot>()
      return {
        async next() {
          const slot = ring.pick(exchange, tried)
          if (!slot) return NO_PEER
          tried.add(slot)
          const peer = await direct(slot.host, slot.port, ring.hostHeader ?? slot.host)
          if (!('ip' in peer)) return peer
          slot.active++
          return { ...peer, release: () => void slot.active-- }
        },
      }
    },
  }
}

interface Slot {
  readonly id: string
  readonly host: string
  readonly port: number
  readonly weight: number
  /** Smooth weighted round robin, after nginx: the slot with the highest credit is next. */
  credit: number
  active: number
}

interface Ring {
  readonly hostHeader: string | undefined
  pick(exchange: Exchange, tried: ReadonlySet<Slot>): Slot | undefined
}

function createRing(upstream: Upstream, targets: readonly Target[], health: BalancerOptions['health']): Ring {
  const slots = targets.filter(target => target.weight > 0).map(slotOf)
  const choose =
    upstream.algorithm === 'consistent-hashing' && upstream.hash_on !== 'none'
      ? (free: readonly Slot[], exchange: Exchange) => byHash(free, hashInput(upstream, exchange))
      : upstream.algorithm === 'least-connections' || upstream.algorithm === 'latency'
        ? leastBusy
        : roundRobin
  return {
    hostHeader: upstream.host_header ?? undefined,
    pick(exchange, tried) {
      const healthy = slots.filter(({ id }) => health.isHealthy(id))
      const fresh = healthy.filter(slot => !tried.has(slot))
      const free = fresh.length > 0 ? fresh : healthy
      return free.length === 0 ? undefined : choose(free, exchange)
    },
  }
}

function slotOf(target: Target): Slot {
  const colon = target.target.lastIndexOf(':')
  const host = colon < 0 ? target.target : target.target.slice(0, colon)
  const port = colon < 0 ? DEFAULT_PORT : Number(target.target.slice(colon + 1))
  const bare = host.replace(/^\[|\]$/g, '')
  return { id: target.id, host: bare, port, weight: target.weight, credit: 0, active: 0 }
}

function roundRobin(slots: readonly Slot[]): Slot | undefined {
  let best: Slot | undefined
  let total = 0
  for (const slot of slots) {
    slot.credit += slot.weight
    total += slot.weight
    if (!best || slot.credit > best.credit) best = slot
  }
  if (best) best.credit -= total
  return best
}

const leastBusy = (slots: readonly Slot[]): Slot =>
  slots.reduce((a, b) => ((b.active + 1) / b.weight < (a.active + 1) / a.weight ? b : a))

/** Weighted rendezvous hashing: a target that goes takes only its own share along. */
function byHash(slots: readonly Slot[], input: string): Slot {
  const score = (slot: Slot) => -slot.weight / Math.log((fnv1a(`${input}|${slot.id}`) + 1) / 2 ** 32)
  return slots.reduce((a, b) => (score(b) > score(a) ? b : a))
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  // A final mixing step: names that differ in one letter would lie close together.
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b)
  return (hash ^ (hash >>> 16)) >>> 1
}

function hashInput(upstream: Upstream, exchange: Exchange): string {
  const from = (kind: string, header: string | null, argument: string | null, capture: string | null) => {
    switch (kind) {
      case 'consumer':
        return exchange.consumer?.id ?? (exchange.credential?.id as string | undefined)
      case 'ip':
        return exchange.clientIp
      case 'header':
        return header === null ? undefined : exchange.headers.joined(header)
      case 'path':
        return exchange.match?.path
      case 'query_arg':
        return argument === null ? undefined : String(exchange.query[argument] ?? '') || undefined
      case 'uri_capture':
        return capture === null ? undefined : exchange.match?.captures?.named[capture]
      default:
        return undefined
    }
  }
  const { hash_on, hash_on_header, hash_on_query_arg, hash_on_uri_capture } = upstream
  const { hash_fallback, hash_fallback_header, hash_fallback_query_arg, hash_fallback_uri_capture } = upstream
  return (
    from(hash_on, hash_on_header, hash_on_query_arg, hash_on_uri_capture) ??
    from(hash_fallback, hash_fallback_header, hash_fallback_query_arg, hash_fallback_uri_capture) ??
    ''
  )
}

export interface Resolver {
  /** The first address of a name; undefined when it has none. */
  resolve(name: string): Promise<string | undefined>
}

const KEEP_NAME_MS = 5_000
const MAX_NAMES = 1_000

/** The resolver of the operating system, asked at most every five seconds for a name. */
export function createResolver(now: () => number): Resolver {
  const known = new Map<string, { readonly address: Promise<string | undefined>; readonly untilMs: number }>()
  return {
    resolve(name) {
      const hit = known.get(name)
      if (hit && hit.untilMs > now()) return hit.address
      if (known.size >= MAX_NAMES) known.clear()
      const address = lookup(name, { family: 4 })
        .catch(() => lookup(name))
        .then(
          found => found.address,
          () => undefined,
        )
      known.set(name, { address, untilMs: now() + KEEP_NAME_MS })
      return address
    },
  }
}
