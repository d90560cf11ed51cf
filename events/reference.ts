import { groupBy } from '../foundation/group-by.ts'
import type { EventType } from '../sdk/event.ts'

const BEGIN = '<!-- reference: begin -->'
const END = '<!-- reference: end -->'

/** The parts of a JSON Schema that TypeBox makes and the reference shows. */
interface Schema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly anyOf?: readonly Schema[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly items?: Schema
  readonly description?: string
}

/** Markdown that lists every type with the fields of its data, sorted by name. */
export function describeEventTypes(types: readonly EventType[]): string {
  const sorted = [...types].sort((a, b) => (a.type < b.type ? -1 : 1))
  // Types with the same data, such as those of all of Kong's entities, share a section.
  const sections = groupBy(sorted, type => JSON.stringify(type.data))
  return [...sections.values()].map(describeSection).join('\n')
}

/** Puts the reference between the markers of a page. */
export function updateReference(page: string, types: readonly EventType[]): string {
  const [before, rest] = page.split(BEGIN)
  const after = rest?.split(END)[1]
  if (before === undefined || after === undefined) throw new Error(`the page lacks ${BEGIN} and ${END}`)
  return `${before}${BEGIN}\n\n${describeEventTypes(types)}\n${END}${after}`
}

function describeSection(types: readonly EventType[]): string {
  const heads = types.length > 4 ? familyOf(types) : types.map(describeType).join('\n')
  const { properties = {}, required = [] }: Schema = types[0]?.data ?? {}
  const rows = Object.entries(properties).map(
    ([name, schema]) =>
      `| \`${name}\` | ${typeOf(schema)}${required.includes(name) ? '' : ', optional'} | ${schema.description ?? ''} |\n`,
  )
  return `${heads}\n| field of \`data\` | type | meaning |\n| --- | --- | --- |\n${rows.join('')}`
}

const describeType = ({ type, doc }: EventType) => `### \`${type}\`\n\n${doc}\n`

/** Many types of one form, `<area>.<entity>.<what happened>.v<version>`: a line an entity. */
function familyOf(types: readonly EventType[]): string {
  const named = types.map(({ type }) => type.split('.'))
  const forms = groupBy(named, ([area, entity, _what, version]) => `${area}.${entity}.….${version}`)
  const rows = [...forms].map(
    ([form, types]) => `| \`${form}\` | ${types.map(([_area, _entity, what]) => what).join(', ')} |\n`,
  )
  const [first] = types
  return `### \`${first?.type.split('.')[0]}.…\`\n\n${first?.doc}\n\n| type | … |\n| --- | --- |\n${rows.join('')}`
}

function typeOf(schema: Schema): string {
  if (schema.const !== undefined) return `\`${String(schema.const)}\``
  if (schema.enum) return schema.enum.map(value => `\`${String(value)}\``).join(', ')
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(', ')
  if (schema.type === 'array') return `list of ${schema.items ? typeOf(schema.items) : 'anything'}`
  return schema.type ?? 'anything'
}
