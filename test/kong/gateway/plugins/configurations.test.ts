/** The types of the plugins' configurations are written by hand; the recorded schemas say whether they are right. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { BUNDLED_PLUGINS } from '../../../../kong/gateway/plugins/bundled.ts'
import { entryOf, type FieldSpec } from '../../../../kong/schema/spec.ts'

const FOLDER = path.resolve(import.meta.dirname, '../../../../../kong/gateway/plugins')

/** The fields of `interface Config`, with their types as they are written. */
function declaredFields(name: string): [field: string, type: string][] {
  const text = readFileSync(path.join(FOLDER, `${name}.ts`), 'utf8')
  const body = /^interface Config .*?\{\n(.*?)^\}/ms.exec(text)?.[1] ?? ''
  return [...body.matchAll(/^ {2}readonly (\w+): (.+)$/gm)].map(([, field = '', type = '']) => [field, type])
}

const configOf = (name: string): ReadonlyMap<string, FieldSpec> => {
  const fields = BUNDLED_PLUGINS[name]?.schema.fields.map(entryOf) ?? []
  const config = fields.find(([field]) => field === 'config')?.[1]
  return new Map((config?.fields ?? []).map(entryOf))
}

/** What Kong fills in is never null. */
const isNullable = ({ type, required, default: value }: FieldSpec) =>
  required !== true && value === undefined && type !== 'record'

describe('the configuration of a plugin that the gateway runs', () => {
  const running = Object.values(BUNDLED_PLUGINS).filter(({ runs }) => runs)

  it('has a file for each of them', () => {
    const files = new Set(readdirSync(FOLDER).map(file => path.parse(file).name))
    assert.deepEqual(
      running.map(({ name }) => name).filter(name => !files.has(name)),
      [],
    )
  })

  for (const { name } of running)
    it(`names only fields of Kong's schema, and says which can be null: ${name}`, () => {
      const schema = configOf(name)
      for (const [field, type] of declaredFields(name)) {
        const spec = schema.get(field)
        assert.ok(spec, `${name} has no field ${field}`)
        assert.equal(type.endsWith('| null'), isNullable(spec), `${name}.${field}: ${type}`)
      }
    })
})
