/** New names for components that several documents have. */

import { withoutHtml } from './markdown.ts'
import { mapValues, type Node, nodeOf, rewrite, textOf, without } from './node.ts'
import { componentOf } from './pointer.ts'

/** A document with the name that stands before those of its components which others have too. */
export interface Named {
  readonly prefix: string
  readonly document: Node
}

/** The gateway's own security schemes, whatever they are. */
const GATEWAY_SCHEMES = 'securitySchemes/gateway_'

export type NewName = (section: string, name: string) => string

export const prefixOf = (service: string) => service.replace(/[^\w.-]/g, '_')

/**
 * Each name that only one document has stays; one that several have, or that is the gateway's own, gets the prefix of
 * its document. So a name does not depend on which other service answered first.
 *
 * @param reserved names of the gateway's own, `section/name`
 */
export function newNames(documents: readonly Named[], reserved: ReadonlySet<string>): readonly NewName[] {
  const owners = new Map<string, number>()
  for (const { document } of documents)
    for (const key of namesOf(document)) owners.set(key, (owners.get(key) ?? 0) + 1)
  const isShared = (key: string) =>
    (owners.get(key) ?? 0) > 1 || reserved.has(key) || key.startsWith(GATEWAY_SCHEMES)
  const taken = new Set([...reserved, ...[...owners.keys()].filter(key => !isShared(key))])
  return documents.map(({ prefix, document }) => {
    const changed = new Map<string, string>()
    for (const key of namesOf(document)) {
      const [section, name] = split(key)
      const clean = name.replace(/[^\w.-]/g, '_')
      if (!isShared(key) && clean === name) continue
      changed.set(key, freeName(section, isShared(key) ? `${prefix}_${clean}` : clean, taken))
    }
    return (section, name) => changed.get(`${section}/${name}`) ?? name
  })
}

function freeName(section: string, wanted: string, taken: Set<string>): string {
  let name = wanted
  for (let count = 2; taken.has(`${section}/${name}`); count++) name = `${wanted}_${count}`
  taken.add(`${section}/${name}`)
  return name
}

const split = (key: string): readonly [string, string] => {
  const slash = key.indexOf('/')
  return [key.slice(0, slash), key.slice(slash + 1)]
}

const namesOf = ({ components }: Node): readonly string[] =>
  Object.entries(nodeOf(components)).flatMap(([section, members]) =>
    section.startsWith('x-') ? [] : Object.keys(nodeOf(members)).map(name => `${section}/${name}`),
  )

const TEXTS = ['description', 'summary', 'title']

/** A part of a document with the new names, its texts without HTML, and without extensions, which a page may obey. */
export function renamed(part: unknown, newName: NewName): unknown {
  return rewrite(part, node => {
    const { $ref, discriminator, externalDocs } = node
    const reference = textOf($ref)
    const url = textOf(nodeOf(externalDocs).url)
    const texts = TEXTS.filter(name => typeof node[name] === 'string')
    const drop = Object.keys(node).filter(name => name.startsWith('x-'))
    if (externalDocs !== undefined && !/^https?:\/\//.test(url ?? '')) drop.push('externalDocs')
    return {
      ...without(node, drop),
      ...Object.fromEntries(texts.map(name => [name, withoutHtml(String(node[name]))])),
      ...(reference !== undefined && { $ref: renameReference(reference, newName) }),
      ...(nodeOf(discriminator).mapping !== undefined && {
        discriminator: renameMapping(nodeOf(discriminator), newName),
      }),
    }
  })
}

function renameReference(reference: string, newName: NewName): string {
  const found = componentOf(reference)
  if (!found) return reference
  const [section, name] = found
  const rest = reference.split('/').slice(4)
  return ['#', 'components', section, escapeName(newName(section, name)), ...rest].join('/')
}

/** A value of a mapping is a reference, or the bare name of a schema. */
function renameMapping(discriminator: Node, newName: NewName): Node {
  const mapping = mapValues(nodeOf(discriminator.mapping), value => {
    const text = String(value)
    return text.startsWith('#') ? renameReference(text, newName) : newName('schemas', text)
  })
  return { ...discriminator, mapping }
}

const escapeName = (name: string) => name.replaceAll('~', '~0').replaceAll('/', '~1')
