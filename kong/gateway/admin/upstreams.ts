import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { TargetHealth } from '../state/health.ts'
import type { Key } from '../state/key.ts'
import type { EntityStore } from '../state/store.ts'
import type { Row } from '../state/table.ts'
import { type AdminRequest, type Answer, message, noContent, notFoundAnswer, ok } from './answer.ts'
import { pageOptions } from './list.ts'
import { belonging, nestedCollectionMethods } from './nested.ts'
import type { Relation } from './relations.ts'
import type { Methods } from './route.ts'

const TARGETS: Relation = { child: 'targets', field: 'upstream', parent: 'upstreams' }

export interface UpstreamOptions {
  readonly store: EntityStore
  readonly health: TargetHealth
  readonly nodeId: string
}

/** What upstreams have besides their targets: `…/targets/all`, `…/health`, `…/targets/<target>/unhealthy`. */
export function upstreamMethods(
  options: UpstreamOptions,
  key: Key,
  path: readonly string[],
): Methods | undefined {
  const { store } = options
  const [, , part, target, last] = path
  if (part === 'health' && path.length === 3) return { GET: request => health(options, key, path, request) }
  if (part !== 'targets') return undefined
  if (target === 'all' && path.length === 4) {
    const { GET } = nestedCollectionMethods(store, { ...TARGETS, key }, path)
    return GET ? { GET } : {}
  }
  const wanted = path.length === 6 ? path[5] : last
  const isMark = path.length === 5 || path.length === 6
  if (!isMark || target === undefined || (wanted !== 'healthy' && wanted !== 'unhealthy')) return undefined
  return { PUT: () => mark(options, key, target, wanted === 'healthy') }
}

function mark({ store, health }: UpstreamOptions, key: Key, text: string, healthy: boolean): Answer {
  const owner = store.select('upstreams', key)
  const target = owner && belonging(store, TARGETS, owner, text)
  if (!owner || !target) return notFoundAnswer
  if (!usesHealthChecks(owner)) return message(400, `no healthchecker found for ${owner.name}`)
  health.mark(target.id, healthy)
  return noContent
}

async function health(
  options: UpstreamOptions,
  key: Key,
  path: readonly string[],
  request: AdminRequest,
): Promise<Answer> {
  const { store, nodeId } = options
  const owner = store.select('upstreams', key)
  if (!owner) return notFoundAnswer
  const scope = { field: 'upstream', id: owner.id }
  if (request.query.balancer_health === '1') {
    const { data } = store.page('targets', { size: 1000, scope })
    return ok({ data: await balancerHealth(options, owner, data), next: null, node_id: nodeId })
  }
  const { tags: _tags, ...paging } = pageOptions(request)
  const { data, offset } = store.page('targets', { ...paging, scope })
  const next = offset === undefined ? null : `/${path.join('/')}?offset=${encodeURIComponent(offset)}`
  const rows = await Promise.all(data.map(target => withHealth(options, owner, target)))
  return ok({ data: rows, ...(offset !== undefined && { offset }), next, node_id: nodeId })
}

async function withHealth({ health }: UpstreamOptions, upstream: Row, target: Row): Promise<unknown> {
  const host = await hostOf(health, target)
  if (host.addresses.length === 0) return { ...target, health: 'DNS_ERROR', data: host }
  const isOff = !usesHealthChecks(upstream) || target.weight === 0
  const told = isOff ? 'HEALTHCHECKS_OFF' : health.isHealthy(target.id) ? 'HEALTHY' : 'UNHEALTHY'
  const addresses = host.addresses.map(({ healthy: _healthy, ...address }) => ({ ...address, health: told }))
  return { ...target, health: told, data: { ...host, addresses } }
}

async function balancerHealth({ health }: UpstreamOptions, upstream: Row, targets: readonly Row[]) {
  const oldestFirst = targets.toSorted((a, b) => Number(a.created_at) - Number(b.created_at))
  const hosts = await Promise.all(oldestFirst.map(target => hostOf(health, target)))
  const sum = (of: (weight: Weight) => number) => hosts.reduce((total, { weight }) => total + of(weight), 0)
  const weight: Weight = {
    total: sum(w => w.total),
    available: sum(w => w.available),
    unavailable: sum(w => w.unavailable),
  }
  const threshold = thresholdOf(upstream)
  const healthy = weight.total > 0 && (weight.available / weight.total) * 100 > threshold
  const told = healthy ? 'HEALTHY' : 'UNHEALTHY'
  return {
    health: usesHealthChecks(upstream) ? told : 'HEALTHCHECKS_OFF',
    balancer_health: told,
    id: upstream.id,
    details: { healthy, hosts, weight },
  }
}

interface Weight {
  readonly total: number
  readonly available: number
  readonly unavailable: number
}

/** A target as Kong's balancer tells of it. Its addresses are asked of the operating system. */
async function hostOf(health: TargetHealth, target: Row) {
  const [, host = '', port] = /^(.*):(\d+)$/.exec(String(target.target)) ?? []
  const bare = host.replace(/^\[|\]$/g, '')
  const weight = Number(target.weight)
  const healthy = health.isHealthy(target.id)
  const ips = isIP(bare)
    ? [bare]
    : await lookup(bare, { all: true }).then(
        found => found.map(({ address }) => address),
        () => [],
      )
  const total = weight * ips.length
  return {
    addresses: ips.map(ip => ({ ip, port: Number(port), weight, healthy })),
    dns: 'A',
    host,
    port: Number(port),
    nodeWeight: weight,
    weight: { total, available: healthy ? total : 0, unavailable: healthy ? 0 : total },
  }
}

type Tree = Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, unknown>>>>>>

/** Whether anything is probed or counted, so that targets have a state of health at all. */
function usesHealthChecks({ healthchecks }: Row): boolean {
  const { active, passive } = healthchecks as Tree
  const counts = [
    active?.healthy?.interval,
    active?.unhealthy?.interval,
    passive?.unhealthy?.tcp_failures,
    passive?.unhealthy?.timeouts,
    passive?.unhealthy?.http_failures,
  ]
  return counts.some(count => Number(count ?? 0) !== 0)
}

const thresholdOf = ({ healthchecks }: Row): number =>
  Number((healthchecks as { threshold?: unknown }).threshold ?? 0)
