/**
 * Reads from a request whose it is, which tier holds for it and what it costs. Most configurations need to know the
 * consumer and nothing else, so a promise is made, and waited for, only where Kong has to be asked once more.
 */
import type { AccessKong, InstanceScope } from '../../sdk/sdk.ts'
import { MAX_COST } from './limit.ts'
import type { Policy, Tier } from './policy.ts'
import { digest, networkOf, type SubjectPart, safe } from './subject.ts'

export interface Caller {
  readonly tier: Tier
  /** Such as `consumer:4f…` or `ip:192.0.2.1`; several parts are joined by a comma. */
  readonly subject: string
  /** Undefined where nobody is known, or nobody asked. */
  readonly consumer: string | undefined
  readonly cost: number
}

type Consumer = NonNullable<Awaited<ReturnType<AccessKong['client']['getConsumer']>>>

export async function readCaller(kong: AccessKong, policy: Policy, scope: InstanceScope): Promise<Caller> {
  const consumer = policy.needsConsumer ? await knownConsumer(kong, policy) : undefined
  const { header } = policy.config.cost
  const usesHeader = header !== undefined || policy.config.tier_by?.source === 'header'
  const isTrusted = usesHeader && policy.trusted.has(await kong.client.getIp())
  const subject: string[] = []
  const known = { consumer, policy, scope }
  for (const part of policy.subject) {
    const read = readPart(kong, part, known)
    subject.push(read instanceof Promise ? await read : read)
  }
  let tier = readTier(kong, policy, consumer, isTrusted)
  if (tier instanceof Promise) tier = await tier
  let cost = readCost(kong, policy, isTrusted)
  if (cost instanceof Promise) cost = await cost
  return {
    tier,
    subject: subject.join(','),
    consumer: nameOf(consumer),
    cost,
  }
}

/** The caller with its consumer, for whom the decision did not ask. */
export async function withConsumer(kong: AccessKong, policy: Policy, caller: Caller): Promise<Caller> {
  return { ...caller, consumer: nameOf(await knownConsumer(kong, policy)) }
}

async function knownConsumer(kong: AccessKong, policy: Policy): Promise<Consumer | undefined> {
  const named = await kong.client.getConsumer()
  return named && !isAnonymous(named, policy) ? named : undefined
}

const nameOf = (consumer: Consumer | undefined): string | undefined =>
  consumer?.username ?? consumer?.customId ?? consumer?.id

/** Kong hands an anonymous consumer out like any other; only its name tells. */
function isAnonymous({ id, username }: Consumer, { anonymous }: Policy): boolean {
  return anonymous.size > 0 && (anonymous.has(id) || (username !== undefined && anonymous.has(username)))
}

interface Known {
  readonly consumer: Consumer | undefined
  readonly policy: Policy
  readonly scope: InstanceScope
}

function readPart(kong: AccessKong, part: SubjectPart, known: Known): string | Promise<string> {
  if (part.by === 'consumer' && known.consumer) return `consumer:${known.consumer.id}`
  return askForPart(kong, part, known)
}

/** Falls back to the address, never to one bucket for all. */
async function askForPart(
  kong: AccessKong,
  part: SubjectPart,
  { consumer, policy, scope }: Known,
): Promise<string> {
  switch (part.by) {
    case 'credential': {
      const credential = consumer && (await kong.client.getCredential())
      if (credential?.id) return `credential:${credential.id}`
      break
    }
    case 'header': {
      const value = await kong.request.getHeader(part.header)
      if (value !== undefined && value !== '') return `${part.header}:${digest(value)}`
      break
    }
    case 'path':
      return `path:${safe(await kong.request.getPath())}`
    case 'service': {
      const id = scope.serviceId ?? (await kong.router.getService())?.id
      if (id) return `service:${id}`
      break
    }
    case 'route': {
      const id = scope.routeId ?? (await kong.router.getRoute())?.id
      if (id) return `route:${id}`
      break
    }
  }
  return `ip:${networkOf(await kong.client.getForwardedIp(), policy.config.ipv6_prefix)}`
}

const TIER_TAG = 'tier:'

/** The tag of the consumer, else the map, else the default. Names of tiers that do not exist are passed over. */
function readTier(
  kong: AccessKong,
  policy: Policy,
  consumer: Consumer | undefined,
  isTrusted: boolean,
): Tier | Promise<Tier> {
  for (const tag of consumer?.tags ?? []) {
    const tier = tag.startsWith(TIER_TAG) && policy.tiers.get(tag.slice(TIER_TAG.length))
    if (tier) return tier
  }
  const by = policy.config.tier_by
  if (!by) return policy.defaultTier
  const mapped = (value: string | undefined) => {
    const name = value !== undefined && Object.hasOwn(by.map, value) ? by.map[value]! : ''
    return policy.tiers.get(name) ?? policy.defaultTier
  }
  if (by.source === 'username') return mapped(consumer?.username)
  if (by.source === 'custom_id') return mapped(consumer?.customId)
  return isTrusted ? kong.request.getHeader(by.header!).then(mapped) : policy.defaultTier
}

function readCost(kong: AccessKong, policy: Policy, isTrusted: boolean): number | Promise<number> {
  if (!isTrusted && policy.costs.size === 0) return policy.config.cost.default
  return askForCost(kong, policy, isTrusted)
}

/** A header that names no whole number from 0 to 1,000,000 is not believed: the request costs what others cost. */
async function askForCost(kong: AccessKong, policy: Policy, isTrusted: boolean): Promise<number> {
  const { header, default: common } = policy.config.cost
  if (header !== undefined && isTrusted) {
    const text = await kong.request.getHeader(header)
    if (text !== undefined && /^\d{1,7}$/.test(text) && Number(text) <= MAX_COST) return Number(text)
  }
  if (policy.costs.size === 0) return common
  return policy.costs.get((await kong.request.getMethod()).toUpperCase()) ?? common
}

/** What an entry of the plugin is bound to: equal on all nodes, and over every change of its configuration. */
export function scopeName({ routeId, serviceId, consumerId, workspaceId }: InstanceScope): string {
  const parts = [
    ...(routeId === undefined ? [] : [`route=${routeId}`]),
    ...(serviceId === undefined ? [] : [`service=${serviceId}`]),
    ...(consumerId === undefined ? [] : [`consumer=${consumerId}`]),
  ]
  return parts.length > 0 ? parts.join(',') : `all${workspaceId === undefined ? '' : `=${workspaceId}`}`
}
