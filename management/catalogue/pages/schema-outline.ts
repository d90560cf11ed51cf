import { isNode, type Node, nodeOf, nodesOf, textOf, textsOf } from '../openapi/node.ts'
import { componentOf } from '../openapi/pointer.ts'
import { anchorOf } from './anchor.ts'
import { type Html, html } from './html.ts'

/** Deeper parts are left to the JSON. */
const MAX_DEPTH = 6

/** A schema in a few words, with its fields below; a named one is a link to where it stands. */
export function schemaOutline(schema: unknown, depth = 0): Html | undefined {
  if (!isNode(schema)) return undefined
  const { $ref, description } = schema
  const component = componentOf(textOf($ref) ?? '')
  if (component) return html`<a href="#${anchorOf('schema', component[1])}">${component[1]}</a>`
  if (depth > MAX_DEPTH) return html`<span class="hint">…</span>`
  return html`<span class="type">${typeOf(schema)}</span>${bounds(schema)}${
    depth > 0 && textOf(description) !== undefined && html` <span>${textOf(description)}</span>`
  }${variants(schema, depth)}${fields(schema, depth)}${items(schema, depth)}`
}

function typeOf({ type, format, properties, items: elements }: Node): string {
  const types = typeof type === 'string' ? [type] : textsOf(type)
  const known = types.length > 0 ? types : properties ? ['object'] : elements ? ['array'] : []
  return `${known.join(' or ')}${textOf(format) === undefined ? '' : ` (${textOf(format)})`}`
}

const BOUNDS = [
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'minLength',
  'maxLength',
  'pattern',
  'minItems',
  'maxItems',
  'default',
  'const',
]

function bounds(schema: Node): Html | undefined {
  const told = BOUNDS.filter(name => schema[name] !== undefined).map(
    name => `${name} ${JSON.stringify(schema[name])}`,
  )
  if (Array.isArray(schema.enum))
    told.push(`one of ${schema.enum.map(value => JSON.stringify(value)).join(', ')}`)
  return told.length === 0 ? undefined : html` <span class="hint">${told.join(' · ')}</span>`
}

function fields({ properties, required }: Node, depth: number): Html | undefined {
  const entries = Object.entries(nodeOf(properties))
  if (entries.length === 0) return undefined
  const needed = textsOf(required)
  return html`<ul class="fields">${entries.map(
    ([name, value]) =>
      html`<li><code>${name}</code>${needed.includes(name) && html` <span class="hint">required</span>`} ${schemaOutline(value, depth + 1)}</li>`,
  )}</ul>`
}

const items = ({ items: elements }: Node, depth: number): Html | undefined =>
  isNode(elements) ? html` of ${schemaOutline(elements, depth + 1)}` : undefined

function variants(schema: Node, depth: number): readonly Html[] {
  return (['allOf', 'oneOf', 'anyOf'] as const).flatMap(kind => {
    const list = nodesOf(schema[kind])
    if (list.length === 0) return []
    const word = { allOf: 'all of', oneOf: 'one of', anyOf: 'any of' }[kind]
    return [
      html`${word}<ul class="fields">${list.map(one => html`<li>${schemaOutline(one, depth + 1)}</li>`)}</ul>`,
    ]
  })
}
