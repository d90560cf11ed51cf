import { isObject } from '../schema/spec.ts'
import { idIn, type Row } from './change.ts'

/** A plugin entry as it will stand in Kong. */
export interface PluginEntry {
  readonly label: string
  readonly fields: Row
}

/** The plugin that offers several as one: its configuration has a record for each member. */
export const COMPOSED = 'sluice'

type Scope = Readonly<Record<'service' | 'route' | 'consumer', string | undefined>>

/**
 * What works, but probably not as it was meant.
 *
 * Kong runs one entry of a plugin for a request, the most specific one, and does not merge it with the others: a
 * specific entry of `sluice` without some member switches that member off there. And `sluice` and its members are
 * different plugins to Kong: where both apply, the member's work is done twice.
 *
 * @param serviceOf the service of a route.
 */
export function findWarnings(
  plugins: readonly PluginEntry[],
  serviceOf: (routeId: string) => string | undefined,
): readonly string[] {
  const enabled = plugins.filter(({ fields }) => fields.enabled !== false)
  const scoped = enabled.map(entry => ({ ...entry, scope: scopeOf(entry.fields) }))
  const composed = scoped.filter(({ fields }) => fields.name === COMPOSED)
  const warnings: string[] = []
  for (const entry of composed) {
    const members = membersOf(entry.fields)
    for (const general of composed) {
      if (rank(general.scope) >= rank(entry.scope) || !overlap(general.scope, entry.scope, serviceOf))
        continue
      const lost = membersOf(general.fields).filter(member => !members.includes(member))
      if (lost.length > 0)
        warnings.push(
          `${entry.label} takes the place of ${describe(general)} there, and lacks ${lost.join(' and ')}`,
        )
    }
    for (const single of scoped)
      if (members.includes(memberName(single.fields)) && overlap(single.scope, entry.scope, serviceOf))
        warnings.push(
          `${describe(single)} and ${describe(entry)} apply to the same requests: both would count them`,
        )
  }
  return warnings
}

const describe = ({ label, scope }: { label: string; scope: Scope }): string =>
  rank(scope) === 0 ? `${label} (everywhere)` : label

const memberName = (fields: Row): string => String(fields.name).replaceAll('-', '_')

function membersOf({ config }: Row): readonly string[] {
  return isObject(config) ? Object.keys(config).filter(name => isObject(config[name])) : []
}

function scopeOf(fields: Row): Scope {
  const { service, route, consumer } = fields
  return { service: idIn(service), route: idIn(route), consumer: idIn(consumer) }
}

/** Kong's order of precedence (runloop/plugins_iterator.lua): the highest that applies is run. */
const rank = ({ service, route, consumer }: Scope): number =>
  (consumer ? 2 : 0) + (route ? 1.5 : 0) + (service ? 1 : 0)

/** Whether a request exists to which both entries apply. */
export const bothApply = (a: Row, b: Row, serviceOf: (routeId: string) => string | undefined): boolean =>
  overlap(scopeOf(a), scopeOf(b), serviceOf)

/** Whether a request exists to which both apply. */
function overlap(a: Scope, b: Scope, serviceOf: (routeId: string) => string | undefined): boolean {
  const services = [a, b].map(
    ({ service, route }) => service ?? (route === undefined ? undefined : serviceOf(route)),
  )
  return agree(a.consumer, b.consumer) && agree(a.route, b.route) && agree(services[0], services[1])
}

const agree = (a: string | undefined, b: string | undefined): boolean =>
  a === undefined || b === undefined || a === b
