/** Where an operation of a service is found on the gateway: the way of a request through Kong's router, backwards. */
import type { Offer, OfferedRoute, OfferedService } from './offer.ts'

export interface Place {
  /** Path on the gateway, with the parameters of the service's own path: `/shop/items/{id}`. */
  readonly path: string
  /** `https://api.example.com`, one a host of the route; none where every host will do. */
  readonly servers: readonly string[]
  readonly route: OfferedRoute
}

/** What stands for a parameter when the router is asked: what one regular expression refuses another may take. */
const SAMPLES = ['1', 'a', '00000000-0000-4000-8000-000000000000']
const ANY_HOST = 'gateway.invalid'

/**
 * @param path at the service, its base included, parameters in braces
 * @returns none where no request of this method reaches the path
 */
export function placesOf(
  offer: Offer,
  service: OfferedService,
  method: string,
  path: string,
): readonly Place[] {
  const found = new Map<string, Place>()
  for (const route of service.routes)
    for (const spellings of candidatesOf(route, service.base, path)) {
      const place = firstPlace(offer, service, { method, path, route }, spellings)
      // A route for every host says more than one for some.
      if (place) found.set(place.path, withServersOf(place, found.get(place.path)))
    }
  return [...found.values()]
}

function withServersOf(place: Place, before: Place | undefined): Place {
  if (!before) return place
  const isOpen = before.servers.length === 0 || place.servers.length === 0
  return { ...before, servers: isOpen ? [] : [...new Set([...before.servers, ...place.servers])] }
}

function firstPlace(
  offer: Offer,
  service: OfferedService,
  asked: Pick<Attempt, 'method' | 'path' | 'route'>,
  spellings: readonly string[],
): Place | undefined {
  const { route } = asked
  for (const candidate of spellings) {
    const hosts = hostsOf(route).filter(host => leads(offer, service, { ...asked, host, candidate }))
    if (hosts.length === 0) continue
    const servers = hosts.flatMap(host => (host === ANY_HOST ? [] : [`${schemeOf(route)}://${host}`]))
    return { path: candidate, servers, route }
  }
  return undefined
}

interface Attempt {
  readonly method: string
  readonly host: string
  readonly candidate: string
  readonly path: string
  readonly route: OfferedRoute
}

/** Whether Kong would send such a request to this service, and would ask it for that path. */
function leads(offer: Offer, service: OfferedService, attempt: Attempt): boolean {
  const { method, host, candidate, path, route } = attempt
  return SAMPLES.some(sample => {
    const found = offer.router.match({
      method,
      requestUri: fill(candidate, sample),
      hostHeader: host,
      clientIp: '192.0.2.1',
      clientPort: 1024,
      serverIp: '192.0.2.2',
      serverPort: 8000,
      scheme: schemeOf(route),
      serverName: route.snis?.[0],
      query: {},
      header: name => headersOf(route)[name],
    })
    return found?.route.serviceId === service.id && found.upstreamPath(service.base) === fill(path, sample)
  })
}

const fill = (template: string, sample: string) => template.replace(/\{[^{}]*\}/g, sample)

/** The values of the headers that a request must have for this route. */
export const headersOf = ({ headers }: OfferedRoute): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(headers ?? {}).map(([name, values]) => [name.toLowerCase(), values[0] ?? '']),
  )

const schemeOf = ({ protocols }: OfferedRoute) =>
  protocols?.includes('https') && !protocols.includes('http') ? 'https' : 'http'

/** Kong's wildcards stand at either end. */
function hostsOf({ hosts, expression }: OfferedRoute): readonly string[] {
  const named =
    expression == null
      ? hosts
      : [...expression.matchAll(/http\.host\s*==\s*"([^"]+)"/g)].map(([, host]) => host!)
  if (!named || named.length === 0) return [ANY_HOST]
  return named.map(host => host.replace(/^\*\./, 'www.').replace(/\.\*$/, '.com'))
}

/** For each path of the route the spellings that may lead there, the best first. */
function candidatesOf(route: OfferedRoute, base: string, path: string): readonly (readonly string[])[] {
  const rest = withoutBase(base, path)
  if (rest === undefined) return []
  if (!(route.strip_path ?? true)) return [[rest]]
  return prefixesOf(route).map(prefix => {
    const trimmed = prefix.replace(/\/$/, '')
    return rest === '/' ? [prefix, `${trimmed}/`] : [`${trimmed}${rest}`]
  })
}

function withoutBase(base: string, path: string): string | undefined {
  const trimmed = base.replace(/\/$/, '')
  if (path === trimmed) return '/'
  return path.startsWith(`${trimmed}/`) ? path.slice(trimmed.length) : undefined
}

/** What is stripped; of a regular expression only where it stands for one text. */
function prefixesOf({ paths, expression }: OfferedRoute): readonly string[] {
  if (expression != null)
    return [...expression.matchAll(/http\.path\s*\^=\s*"([^"]+)"/g)].map(([, prefix]) => prefix!)
  if (!paths || paths.length === 0) return ['/']
  return paths.flatMap(path => (path.startsWith('~') ? (literalOf(path.slice(1)) ?? []) : path))
}

function literalOf(pattern: string): string | undefined {
  const text = pattern.replace(/^\^/, '').replace(/\$$/, '')
  return /^(?:[\w/~%-]|\\[./~-])+$/.test(text) ? text.replace(/\\(.)/g, '$1') : undefined
}
