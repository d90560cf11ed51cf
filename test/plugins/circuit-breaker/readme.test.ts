import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { configSchema } from '../../../plugins/circuit-breaker/config.ts'

const README = path.resolve(import.meta.dirname, '../../../../plugins/circuit-breaker/README.md')
const BEGIN = '<!-- settings: written from config.ts by the test; UPDATE_DOCS=1 renews them -->'
const END = '<!-- end of settings -->'

interface Field {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly minimum?: number
  readonly maximum?: number
  readonly anyOf?: readonly { readonly const?: unknown }[]
  readonly items?: Field
  readonly properties?: Readonly<Record<string, Field>>
  readonly required?: readonly string[]
}

function rows(fields: Readonly<Record<string, Field>>, before = ''): string[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    const standard = field.default === undefined ? '' : `\`${JSON.stringify(field.default)}\``
    const own = `| \`${before}${name}\` | ${valuesOf(field)} | ${standard} | ${field.description ?? ''} |`
    return field.properties ? [own, ...rows(field.properties, `${before}${name}.`)] : [own]
  })
}

function valuesOf(field: Field): string {
  if (field.anyOf) return field.anyOf.map(part => `\`${part.const}\``).join(', ')
  if (field.items) return `list of ${valuesOf(field.items)}`
  const range = field.minimum === undefined ? '' : ` ${number(field.minimum)}–${number(field.maximum!)}`
  return `${field.type === 'object' ? 'record' : field.type}${range}`
}

const number = (n: number): string => n.toLocaleString('en')

describe('the README of circuit-breaker', () => {
  it('lists every setting with its range, its default and its meaning', () => {
    const table = [
      '| setting | values | default | meaning |',
      '| --- | --- | --- | --- |',
      ...rows(configSchema.properties as unknown as Readonly<Record<string, Field>>),
    ].join('\n')
    const text = readFileSync(README, 'utf8')
    const from = text.indexOf(BEGIN) + BEGIN.length
    const to = text.indexOf(END)
    if (process.env.UPDATE_DOCS) writeFileSync(README, `${text.slice(0, from)}\n${table}\n${text.slice(to)}`)
    else assert.equal(text.slice(from, to).trim(), table, 'UPDATE_DOCS=1 renews it')
  })
})
