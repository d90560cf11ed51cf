/** From the text of a service's answer to a document of OpenAPI 3.1, or the reason why it is none. */
import { messageOf } from '../../../foundation/errors.ts'
import { parse } from '../../../foundation/yaml.ts'
import { isNode, type Node, nodeOf, rewrite, textOf } from './node.ts'
import { toOpenApi31 } from './openapi30.ts'
import { toOpenApi30 } from './swagger2.ts'

/** Nested deeper, nobody reads it, and a walk could run out of stack. */
const MAX_DEPTH = 100
/** YAML's aliases can make gigabytes of a page. */
const MAX_ALIASES = 100

/** Why a document is not taken, for the operator of its service. */
export class DocumentRefused extends Error {}

/** @throws DocumentRefused */
export function parseDocument(text: string): Node {
  const document = readText(text)
  if (!isNode(document)) throw new DocumentRefused('is not an object')
  checkDepth(document)
  refuseOutsideReferences(document)
  const upgraded = upgrade(document)
  if (!isNode(upgraded.paths)) throw new DocumentRefused('has no paths')
  return upgraded
}

function readText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (/^\s*[{[]/.test(text)) throw new DocumentRefused(`is not valid JSON: ${messageOf(error)}`)
  }
  try {
    return parse(text, { maxAliasCount: MAX_ALIASES, logLevel: 'error' })
  } catch (error) {
    throw new DocumentRefused(`is neither JSON nor YAML: ${messageOf(error).split('\n')[0]}`)
  }
}

function checkDepth(document: unknown): void {
  let level: unknown[] = [document]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) throw new DocumentRefused(`is nested deeper than ${MAX_DEPTH} levels`)
    level = level.flatMap(value => (typeof value === 'object' && value !== null ? Object.values(value) : []))
  }
}

/** Whoever follows such a reference would ask an address that the service has chosen. */
function refuseOutsideReferences(document: Node): void {
  rewrite(document, node => {
    const reference = textOf(node.$ref) ?? textOf(node.$dynamicRef)
    if (reference !== undefined && !reference.startsWith('#'))
      throw new DocumentRefused(`refers to ${JSON.stringify(reference.slice(0, 200))}, outside of itself`)
    return node
  })
}

function upgrade(document: Node): Node {
  const version =
    textOf(document.openapi) ?? textOf(document.swagger) ?? String(nodeOf(document).swagger ?? '')
  if (/^3\.[12](\.|$)/.test(version)) return document
  if (/^3\.0(\.|$)/.test(version)) return toOpenApi31(document)
  if (/^2(\.0)?$/.test(version)) return toOpenApi31(toOpenApi30(document))
  throw new DocumentRefused(
    version === ''
      ? 'says neither `openapi` nor `swagger`'
      : `has the version ${version.slice(0, 20)}, not 2.0, 3.0 or 3.1`,
  )
}
