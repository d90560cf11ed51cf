/** What somebody who asks for limits means: keys in Redis, found by what is counted there and by Kong's configuration. */
import { SluiceError } from '../../foundation/errors.ts'
import { isUuid } from '../../foundation/uuid.ts'
import { AdminClient, type Row } from '../../kong/admin/client.ts'
import { idIn } from '../../kong/reconcile/change.ts'
import { scopeName } from '../../plugins/qos/caller.ts'
import { type Change, findSubjects, keyOf, partsOf, showSubject } from '../../plugins/qos/limit-admin.ts'
import { type Standing, standingOf } from '../../plugins/qos/standing.ts'
import type { Store } from '../../sdk/store.ts'

export interface Target {
  /** Name or id. */
  readonly consumer?: string | undefined
  readonly subject?: string | undefined
  readonly scope?: string | undefined
}

/** What is to happen. */
export type Wish = Omit<Change, 'key' | 'actor' | 'reason'>

/** A plugin entity of Kong that counts. */
interface Place {
  readonly scope: string
  /** Names of its limits, of all tiers. */
  readonly limits: readonly string[]
}

export interface LimitTargetsParts {
  readonly store: Store
  readonly adminUrl: string
  /** What whoever asks calls a field: `--scope` on the command line. */
  readonly nameOf: (field: 'consumer' | 'subject' | 'scope' | 'limit') => string
}

/** Finds what somebody means by a subject. Errors are SLUICE_CLI_USAGE, with the field in their details. */
export class LimitTargets {
  readonly #parts: LimitTargetsParts

  constructor(parts: LimitTargetsParts) {
    this.#parts = parts
  }

  /**
   * The keys of a subject; none where nothing is counted for it. With a scope, one that has had no request yet has a
   * key too.
   */
  async find(target: Target): Promise<readonly string[]> {
    const { store } = this.#parts
    const subject = await this.#subjectOf(target)
    const { keys, scopes } = await findSubjects(store, subject)
    if (target.scope === undefined) return keys
    const scope = await this.#resolveScope(target.scope, scopes)
    const found = keys.filter(key => partsOf(key)?.scope === scope)
    return found.length > 0 ? found : [keyOf(scope, subject)]
  }

  /** The same, where there must be one. */
  async some(target: Target): Promise<readonly string[]> {
    const keys = await this.find(target)
    if (keys.length > 0) return keys
    const subject = await this.#subjectOf(target)
    const scope = this.#parts.nameOf('scope')
    throw fault(
      'scope',
      `nothing is counted for ${subject} yet; name it with ${scope} to change its limits before its first request`,
    )
  }

  /** The keys that a change concerns; an error where it would do nothing. */
  async toChange(target: Target, { action, limit }: Wish): Promise<readonly string[]> {
    const keys = await this.some(target)
    const standings = await this.standings(keys)
    if (action === 'set' && limit !== undefined) return this.#withLimit(standings, limit)
    const affected = standings.filter(({ limits, changes }) =>
      action === 'unset'
        ? changes.some(change => change.limit === limit)
        : limits.some(({ name }) => limit === undefined || name === limit),
    )
    if (affected.length > 0) return affected.map(({ key }) => key)
    if (action === 'unset') throw fault('limit', `no change of limit ${JSON.stringify(limit)} is in force`)
    const used = new Set(standings.flatMap(({ limits }) => limits.map(({ name }) => name)))
    if (used.size === 0) throw fault('limit', 'nothing is used of any limit')
    throw fault(
      'limit',
      `${this.#parts.nameOf('limit')} ${JSON.stringify(limit)}: in use are ${[...used].join(', ')}`,
    )
  }

  async standings(keys: readonly string[]): Promise<readonly Standing[]> {
    const { store } = this.#parts
    return Promise.all(keys.map(async key => standingOf(key, await showSubject(store, key))))
  }

  /** Those that have a limit of this name: in use, or in Kong's configuration of their scope. */
  async #withLimit(standings: readonly Standing[], limit: string): Promise<readonly string[]> {
    const inUse = standings.filter(({ limits }) => limits.some(({ name }) => name === limit))
    if (inUse.length > 0) return inUse.map(({ key }) => key)
    const { places, reason } = await placesInKong(this.#parts.adminUrl)
    const namesAt = (scope = '') =>
      places.filter(place => isSame(place.scope, scope)).flatMap(({ limits }) => limits)
    const configured = standings.filter(({ scope }) => namesAt(scope).includes(limit))
    if (configured.length > 0) return configured.map(({ key }) => key)
    const names = new Set(
      standings.flatMap(({ scope, limits }) => [...limits.map(({ name }) => name), ...namesAt(scope)]),
    )
    throw fault('limit', `${this.#parts.nameOf('limit')} ${JSON.stringify(limit)}: ${known(names)}${reason}`)
  }

  async #resolveScope(wanted: string, inUse: readonly string[]): Promise<string> {
    if (inUse.includes(wanted)) return wanted
    const same = inUse.filter(scope => isSame(scope, wanted))
    const [only] = same
    if (only !== undefined && same.length === 1) return only
    const { places, reason } = await placesInKong(this.#parts.adminUrl)
    if (wanted !== 'all' && places.some(({ scope }) => scope === wanted)) return wanted
    const names = new Set([...inUse, ...places.map(({ scope }) => scope).filter(scope => scope !== 'all')])
    throw fault('scope', `${this.#parts.nameOf('scope')} ${JSON.stringify(wanted)}: ${known(names)}${reason}`)
  }

  async #subjectOf({ consumer, subject }: Target): Promise<string> {
    const { adminUrl, nameOf } = this.#parts
    if (subject !== undefined && consumer === undefined) return subject
    if (subject !== undefined || consumer === undefined)
      throw fault('consumer', `give either ${nameOf('consumer')} or ${nameOf('subject')}`)
    if (isUuid(consumer)) return `consumer:${consumer.toLowerCase()}`
    const client = new AdminClient({ url: adminUrl })
    try {
      const found = await client.find(`/consumers/${encodeURIComponent(consumer)}`)
      if (!found) throw fault('consumer', `Kong has no consumer ${JSON.stringify(consumer)}`)
      return `consumer:${String(found.id)}`
    } finally {
      await client.close()
    }
  }
}

const fault = (field: string, message: string) =>
  new SluiceError('SLUICE_CLI_USAGE', message, { details: { field } })

/** Kong's Admin API does not tell the workspace that a plugin of no route and no service has in its scope. */
const isSame = (one: string, other: string) =>
  one === other ||
  (one.split('=')[0] === 'all' && other.split('=')[0] === 'all' && (one === 'all' || other === 'all'))

const known = (names: ReadonlySet<string>) =>
  names.size === 0 ? 'none is known' : `known are ${[...names].sort().join(', ')}`

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
  const [routeId, serviceId, consumerId] = [idIn(entity.route), idIn(entity.service), idIn(entity.consumer)]
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
