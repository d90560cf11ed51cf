/** What `sluice limits` is to act on: keys in Redis, found by what is counted there and by Kong's configuration. */
import { SluiceError } from '../../foundation/errors.ts'
import { isUuid } from '../../foundation/uuid.ts'
import { AdminClient, type Row } from '../../kong/admin/client.ts'
import { scopeName } from '../../plugins/qos/caller.ts'
import { findSubjects, keyOf, partsOf, showSubject } from '../../plugins/qos/limit-admin.ts'
import { type Standing, standingOf } from '../../plugins/qos/standing.ts'
import type { Store } from '../../sdk/store.ts'

export interface TargetFlags {
  readonly consumer?: string
  readonly subject?: string
  readonly scope?: string
  readonly adminUrl: string
}

/** A plugin entity of Kong that counts. */
interface Place {
  readonly scope: string
  /** Names of its limits, of all tiers. */
  readonly limits: readonly string[]
}

const fail = (message: string) => new SluiceError('SLUICE_CLI_USAGE', message)

/**
 * Finds the keys of a subject. With a scope, one that has had no request yet has a key too.
 *
 * @throws SluiceError SLUICE_CLI_USAGE for a scope in which nothing is counted, and for a subject without a request.
 */
export async function findTargets(store: Store, flags: TargetFlags): Promise<readonly string[]> {
  const subject = await subjectOf(flags)
  const { keys, scopes } = await findSubjects(store, subject)
  if (flags.scope === undefined) {
    if (keys.length > 0) return keys
    throw fail(
      `nothing is counted for ${subject} yet; name it with --scope to change its limits before its first request`,
    )
  }
  const scope = await resolveScope(flags.scope, scopes, flags.adminUrl)
  const found = keys.filter(key => partsOf(key)?.scope === scope)
  return found.length > 0 ? found : [keyOf(scope, subject)]
}

/**
 * Leaves the keys that have a limit of this name: in use, or in Kong's configuration of their scope.
 *
 * @throws SluiceError SLUICE_CLI_USAGE that lists the names where none has it.
 */
export async function withLimit(
  store: Store,
  keys: readonly string[],
  limit: string,
  adminUrl: string,
): Promise<readonly string[]> {
  const standings = await standingsOf(store, keys)
  const inUse = standings.filter(({ limits }) => limits.some(({ name }) => name === limit))
  if (inUse.length > 0) return inUse.map(({ key }) => key)
  const { places, reason } = await placesInKong(adminUrl)
  const namesAt = (scope = '') =>
    places.filter(place => isSame(place.scope, scope)).flatMap(({ limits }) => limits)
  const configured = standings.filter(({ scope }) => namesAt(scope).includes(limit))
  if (configured.length > 0) return configured.map(({ key }) => key)
  const names = new Set(
    standings.flatMap(({ scope, limits }) => [...limits.map(({ name }) => name), ...namesAt(scope)]),
  )
  throw fail(`--limit ${JSON.stringify(limit)}: ${known(names)}${reason}`)
}

export async function standingsOf(store: Store, keys: readonly string[]): Promise<Standing[]> {
  return Promise.all(keys.map(async key => standingOf(key, await showSubject(store, key))))
}

async function resolveScope(wanted: string, inUse: readonly string[], adminUrl: string): Promise<string> {
  if (inUse.includes(wanted)) return wanted
  const same = inUse.filter(scope => isSame(scope, wanted))
  if (same.length === 1) return same[0]!
  const { places, reason } = await placesInKong(adminUrl)
  if (wanted !== 'all' && places.some(({ scope }) => scope === wanted)) return wanted
  const names = new Set([...inUse, ...places.map(({ scope }) => scope).filter(scope => scope !== 'all')])
  throw fail(`--scope ${JSON.stringify(wanted)}: ${known(names)}${reason}`)
}

/** Kong's Admin API does not tell the workspace that a plugin of no route and no service has in its scope. */
const isSame = (one: string, other: string) =>
  one === other ||
  (one.split('=')[0] === 'all' && other.split('=')[0] === 'all' && (one === 'all' || other === 'all'))

const known = (names: ReadonlySet<string>) =>
  names.size === 0 ? 'none is known' : `known are ${[...names].sort().join(', ')}`

async function subjectOf({ consumer, subject, adminUrl }: TargetFlags): Promise<string> {
  if ((consumer === undefined) === (subject === undefined)) throw fail('give either --consumer or --subject')
  if (subject !== undefined) return subject
  if (isUuid(consumer!)) return `consumer:${consumer!.toLowerCase()}`
  const client = new AdminClient({ url: adminUrl })
  try {
    const found = await client.find(`/consumers/${encodeURIComponent(consumer!)}`)
    if (!found) throw fail(`Kong has no consumer ${JSON.stringify(consumer)}`)
    return `consumer:${String(found.id)}`
  } finally {
    await client.close()
  }
}

/** The plugin entities that count; with the reason where Kong does not tell them. */
async function placesInKong(adminUrl: string): Promise<{ places: readonly Place[]; reason: string }> {
  const client = new AdminClient({ url: adminUrl })
  try {
    const plugins = (await client.list('/plugins')) ?? []
    return { places: plugins.flatMap(placeOf), reason: '' }
  } catch {
    return {
      places: [],
      reason: `; Kong's Admin API at ${client.url} does not answer, which would know more`,
    }
  } finally {
    await client.close()
  }
}

interface Limits {
  readonly tiers?: Readonly<Record<string, { readonly limits?: readonly { readonly name: string }[] }>>
}

function placeOf({ name, config, ...entity }: Row): Place[] {
  if (name !== 'qos' && name !== 'sluice') return []
  const { qos = {}, ...own } = config as { readonly qos?: Limits } & Limits
  const { tiers = {} } = name === 'qos' ? own : qos
  const idOf = (field: string) => (entity[field] as { readonly id: string } | null | undefined)?.id
  const [routeId, serviceId, consumerId] = [idOf('route'), idOf('service'), idOf('consumer')]
  const scope = scopeName({
    pluginId: String(entity.id),
    ...(routeId !== undefined && { routeId }),
    ...(serviceId !== undefined && { serviceId }),
    ...(consumerId !== undefined && { consumerId }),
  })
  return [
    { scope, limits: Object.values(tiers).flatMap(tier => (tier.limits ?? []).map(limit => limit.name)) },
  ]
}
