/** One document for all services, as they are found on the gateway. Pure: fetching is elsewhere. */
import type { Offer, OfferedService } from '../offer.ts'
import { type Alternatives, answersOf, authenticationOf, bothOf, type Scheme } from '../plugin-effects.ts'
import { headersOf, type Place, placesOf } from '../reach.ts'
import { answerReference, GATEWAY_COMPONENTS, GATEWAY_CONTENT } from './gateway-answers.ts'
import { plainText, withoutHtml } from './markdown.ts'
import { type Named, type NewName, newNames, prefixOf, renamed } from './names.ts'
import { isNode, mapValues, type Node, nodeOf, nodesOf, textOf, textsOf, without } from './node.ts'
import { type Operation, operationsOf, sharedIds } from './operations.ts'
import { follow, inlineReferences } from './pointer.ts'

/** A document of a service, in OpenAPI 3.1. */
export interface Source {
  readonly service: OfferedService
  readonly document: Node
  /** Milliseconds since the epoch. */
  readonly fetchedAt: number
  /** Why it is not of now. */
  readonly staleReason?: string | undefined
}

/** An operation of a service that the merged document leaves out. */
export interface Dropped {
  readonly service: string
  readonly method: string
  readonly path: string
  readonly reason: string
}

export interface Merged {
  readonly document: Node
  readonly dropped: readonly Dropped[]
}

export function merge(offer: Offer, sources: readonly Source[]): Merged {
  const parts = sources.map(source => ({ ...source, document: inlineReferences(source.document) }))
  const named: Named[] = parts.map(({ service, document }) => ({ prefix: prefixOf(service.name), document }))
  const names = newNames(named, RESERVED)
  const merging = new Merging(offer, sharedIds(parts.map(({ document }) => document)))
  parts.forEach((source, index) => {
    merging.add(source, names[index]!)
  })
  return merging.result()
}

const RESERVED: ReadonlySet<string> = new Set(
  Object.entries(GATEWAY_COMPONENTS).flatMap(([section, members]) =>
    Object.keys(members).map(name => `${section}/${name}`),
  ),
)

interface Placed {
  readonly service: OfferedService
  readonly document: Node
  readonly operation: Operation
  readonly newName: NewName
}

class Merging {
  readonly #offer: Offer
  readonly #sharedIds: ReadonlySet<string>
  readonly #paths = new Map<string, Record<string, Node>>()
  /** By the path without the names of its parameters, which make no difference: its spelling here. */
  readonly #spellings = new Map<string, string>()
  readonly #ids = new Set<string>()
  readonly #components: Record<string, Record<string, unknown>> = mapValues(GATEWAY_COMPONENTS, members => ({
    ...nodeOf(members),
  }))
  readonly #tags: Node[] = []
  readonly #dropped: Dropped[] = []

  constructor(offer: Offer, shared: ReadonlySet<string>) {
    this.#offer = offer
    this.#sharedIds = shared
  }

  result(): Merged {
    const paths = [...this.#paths].sort(([a], [b]) => (a < b ? -1 : 1))
    const document = {
      openapi: '3.1.0',
      info: {
        title: 'APIs of this gateway',
        version: '1',
        description: 'Every documented operation that can be reached through the gateway, by service.',
      },
      servers: [{ url: '/' }],
      tags: this.#tags,
      paths: Object.fromEntries(paths),
      components: this.#components,
    }
    return { document, dropped: this.#dropped }
  }

  add(source: Source, newName: NewName): void {
    const { service, document } = source
    this.#tags.push(tagOf(source))
    for (const [section, members] of Object.entries(nodeOf(document.components))) {
      // Items of paths stand where they were referred to.
      if (section.startsWith('x-') || section === 'pathItems') continue
      const target = this.#section(section)
      const copy = nodeOf(nodeOf(renamed({ [section]: members }, newName))[section])
      for (const [name, component] of Object.entries(copy)) target[newName(section, name)] = component
    }
    for (const operation of operationsOf(document)) this.#addOperation(service, document, operation, newName)
  }

  #section(name: string): Record<string, unknown> {
    const section = this.#components[name] ?? {}
    this.#components[name] = section
    return section
  }

  #addOperation(service: OfferedService, document: Node, operation: Operation, newName: NewName): void {
    const { method, path, base } = operation
    const drop = (reason: string) => this.#dropped.push({ service: service.name, method, path, reason })
    const places = placesOf(this.#offer, service, method.toUpperCase(), `${base}${path}`)
    if (places.length === 0) return void drop('no route of the gateway leads there')
    for (const found of places) {
      const place = { ...found, path: this.#spellingOf(found.path) }
      const item = this.#paths.get(place.path) ?? {}
      this.#paths.set(place.path, item)
      if (item[method]) drop(`another operation is documented at ${method.toUpperCase()} ${place.path}`)
      else item[method] = this.#operationAt(place, found.path, { service, document, operation, newName })
    }
  }

  /** Two paths must not differ in the names of their parameters alone: the first one's are everybody's. */
  #spellingOf(path: string): string {
    const bare = path.replace(/\{[^{}]*\}/g, '{}')
    const spelling = this.#spellings.get(bare) ?? path
    this.#spellings.set(bare, spelling)
    return spelling
  }

  #operationAt(place: Place, ownPath: string, { service, document, operation, newName }: Placed): Node {
    const { node } = operation
    const parameters = withPathNames(document, operation.parameters, ownPath, place.path)
    const copy = nodeOf(
      renamed(without(node, ['tags', 'servers', 'callbacks', 'operationId', 'security']), newName),
    )
    const id = textOf(node.operationId)
    const links = this.#withLinks(nodeOf(copy.responses), service)
    return {
      tags: [service.name],
      ...(id !== undefined && { operationId: this.#freeId(this.#idOf(id, service)) }),
      ...copy,
      ...(service.deprecation && { deprecated: true }),
      ...(place.servers.length > 0 && { servers: place.servers.map(url => ({ url })) }),
      ...parametersOf(place, parameters, newName),
      responses: withGatewayAnswers(links, place, this.#components),
      ...this.#securityOf(place, node.security ?? document.security, document, newName),
    }
  }

  #idOf = (id: string, service: OfferedService) =>
    this.#sharedIds.has(id) ? `${prefixOf(service.name)}_${id}` : id

  #freeId(wanted: string): string {
    let id = wanted
    for (let count = 2; this.#ids.has(id); count++) id = `${wanted}_${count}`
    this.#ids.add(id)
    return id
  }

  /** A link names an operation by its id; one that names it by its place would be wrong on the gateway. */
  #withLinks(responses: Node, service: OfferedService): Node {
    return mapValues(responses, value => {
      const response = nodeOf(value)
      if (!isNode(response.links)) return response
      const links = Object.entries(response.links).flatMap(([name, link]) => {
        const id = textOf(nodeOf(link).operationId)
        return id === undefined
          ? []
          : [[name, { ...nodeOf(link), operationId: this.#idOf(id, service) }] as const]
      })
      return {
        ...without(response, ['links']),
        ...(links.length > 0 && { links: Object.fromEntries(links) }),
      }
    })
  }

  /** Both what the gateway asks for and what the service asks for itself. */
  #securityOf(place: Place, own: unknown, document: Node, newName: NewName): Node {
    const gateway = authenticationOf(place.route.plugins)
    const schemes = this.#section('securitySchemes')
    for (const { name, scheme } of gateway.flat()) schemes[name] = scheme
    const all = bothOf(gateway, requirementsOf(own, document, newName))
    if (all.every(one => one.length === 0)) return { security: [] }
    return {
      security: all.map(one =>
        Object.fromEntries(one.map(({ name, scheme }) => [name, textsOf(scheme.scopes)])),
      ),
    }
  }
}

/** The service's requirements as alternatives; of a scheme there are the name and the scopes. */
function requirementsOf(security: unknown, document: Node, newName: NewName): Alternatives {
  const known = nodeOf(nodeOf(document.components).securitySchemes)
  const alternatives = nodesOf(security).map(one =>
    Object.entries(one)
      .filter(([name]) => Object.hasOwn(known, name))
      .map(([name, scopes]): Scheme => ({ name: newName('securitySchemes', name), scheme: { scopes } })),
  )
  return alternatives.length === 0 ? [[]] : alternatives
}

/** Parameters of the path get the names that they have in its spelling here. */
function withPathNames(
  document: Node,
  parameters: readonly Node[],
  from: string,
  to: string,
): readonly Node[] {
  if (from === to) return parameters
  const namesIn = (path: string) => [...path.matchAll(/\{([^{}]*)\}/g)].map(([, name]) => name!)
  const spelt = new Map(namesIn(from).map((name, index) => [name, namesIn(to)[index] ?? name]))
  return parameters.map(one => {
    const parameter = follow(document, one)
    if (parameter.in !== 'path') return one
    return { ...parameter, name: spelt.get(String(parameter.name)) ?? parameter.name }
  })
}

function parametersOf({ route }: Place, parameters: readonly Node[], newName: NewName): Node {
  const asked = Object.entries(headersOf(route)).map(([name, value]) => ({
    ...{ in: 'header', name, required: true, description: 'Chooses the route of the gateway' },
    schema: { type: 'string', const: value },
  }))
  const all = [...parameters.map(one => renamed(one, newName)), ...asked]
  return all.length === 0 ? {} : { parameters: all }
}

/**
 * The answers of the service, and those of the gateway in its own words; where both give one, the service's has the
 * gateway's media types too.
 */
function withGatewayAnswers(responses: Node, { route }: Place, components: Node): Node {
  const all: Record<string, unknown> = { ...responses }
  for (const status of answersOf(route.plugins)) {
    const own = responses[status]
    if (own === undefined) all[status] = answerReference(status)
    else {
      const response = follow({ components }, own)
      all[status] = { ...response, content: { ...GATEWAY_CONTENT, ...nodeOf(response.content) } }
    }
  }
  // One at least must be documented.
  return Object.keys(all).length > 0 ? all : { default: { description: 'Not documented' } }
}

function tagOf({ service, document, fetchedAt, staleReason }: Source): Node {
  const { title, version, description } = nodeOf(document.info)
  const heading = [textOf(title), textOf(version)].filter(text => text !== undefined).join(' ')
  const age =
    staleReason === undefined ? [] : [`As of ${new Date(fetchedAt).toISOString()}: ${plainText(staleReason)}`]
  const texts = [plainText(heading), withoutHtml(textOf(description) ?? ''), ...age]
  return { name: service.name, description: texts.filter(text => text !== '').join('\n\n') }
}
