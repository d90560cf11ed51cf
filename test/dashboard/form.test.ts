import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { differences, isSame, patchOf, withPatch } from '../../dashboard/model/difference.ts'
import {
  newNode,
  type RecordNode,
  toNode,
  toValue,
  unsetNode,
  withField,
} from '../../dashboard/model/form.ts'
import {
  type EntitySchema,
  entityFields,
  type FieldSchema,
  type Json,
  MASK,
  namedFields,
} from '../../dashboard/model/schema.ts'
import { ENTITIES } from '../../kong/entities/entities.ts'
import { describePlugin } from '../../plugin-server/runtime/info.ts'
import type { AnyPlugin } from '../../plugin-server/runtime/registry.ts'
import { plugin as aggregate } from '../../plugins/aggregate/plugin.ts'
import { plugin as breaker } from '../../plugins/circuit-breaker/plugin.ts'
import { plugin as audit } from '../../plugins/key-auth-audit/plugin.ts'
import { plugin as qos } from '../../plugins/qos/plugin.ts'
import { plugin as requestLog } from '../../plugins/request-log/plugin.ts'
import { plugin as responseCache } from '../../plugins/response-cache/plugin.ts'
import { plugin as sluice } from '../../plugins/sluice/plugin.ts'
import { plugin as token } from '../../plugins/upstream-token/plugin.ts'

const BUNDLED = path.resolve(import.meta.dirname, '../../kong/gateway/plugins/schemas')
const RUNS = Number(process.env.SLUICE_TEST_FORM_RUNS ?? 15)

const OURS: readonly AnyPlugin[] = [aggregate, breaker, audit, qos, requestLog, responseCache, sluice, token]

/** Every plugin that the gateway knows: those of a recorded Kong 3.9.3, and ours. */
const PLUGINS: readonly (readonly [name: string, schema: EntitySchema])[] = [
  ...readdirSync(BUNDLED).map(
    file =>
      [
        path.basename(file, '.json'),
        JSON.parse(readFileSync(path.join(BUNDLED, file), 'utf8')) as EntitySchema,
      ] as const,
  ),
  ...OURS.map(one => [one.name, asJson(describePlugin(one).Schema) as Json & EntitySchema] as const),
]

function asJson(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json
}

/** A value that may stand in a field: absent, null, empty or filled. */
function anyValueOf(schema: FieldSchema): fc.Arbitrary<unknown> {
  const set = setValueOf(schema)
  return fc.oneof({ weight: 3, arbitrary: set }, { weight: 1, arbitrary: fc.constant(null) })
}

function setValueOf({ type, one_of: oneOf, elements, values, fields }: FieldSchema): fc.Arbitrary<unknown> {
  // A gateway without filters offers none to choose from.
  if (oneOf?.length === 0) return fc.string()
  if (oneOf && type !== 'set' && type !== 'array') return fc.constantFrom(...oneOf)
  switch (type) {
    case 'string':
      return fc.oneof(fc.string(), fc.constantFrom('', MASK, '{vault://env/x}', '<b>bold</b>'))
    case 'integer':
      return fc.integer()
    case 'number':
      return fc
        .double({ noNaN: true, noDefaultInfinity: true })
        .map(value => (Object.is(value, -0) ? 0 : value))
    case 'boolean':
      return fc.boolean()
    case 'array':
    case 'set':
      return fc.array(elements ? setValueOf(elements) : fc.jsonValue(), { maxLength: 3 })
    case 'map':
      return fc.dictionary(
        fc.stringMatching(/^[a-z/~]{0,5}$/),
        values ? setValueOf(values) : fc.jsonValue(),
        {
          maxKeys: 3,
          noNullPrototype: true,
        },
      )
    case 'record':
      return recordOf(fields)
    case 'foreign':
      return fc.uuid().map(id => ({ id }))
    default:
      return fc.jsonValue().map(value => asJson({ value }).value)
  }
}

const recordOf = (fields: FieldSchema['fields']): fc.Arbitrary<Json> =>
  fc.record(Object.fromEntries(namedFields(fields).map(([name, field]) => [name, anyValueOf(field)])), {
    requiredKeys: [],
    noNullPrototype: true,
  }) as fc.Arbitrary<Json>

const throughForm = (schema: FieldSchema, value: unknown) => toValue(toNode(schema, value))

const RECORD: FieldSchema = {
  type: 'record',
  fields: [
    { name: { type: 'string' } },
    { port: { type: 'integer', default: 80 } },
    { inner: { type: 'record', fields: [{ a: { type: 'string' } }, { b: { type: 'string' } }] } },
    { headers: { type: 'map', keys: { type: 'string' }, values: { type: 'string' } } },
    { list: { type: 'array', elements: { type: 'number' } } },
  ],
}
const record = (value: Json) => toNode(RECORD, value) as RecordNode

describe('the form of an entity', function () {
  this.timeout(60_000)

  for (const [name, plugin] of PLUGINS)
    it(`gives back every configuration of ${name} as it was`, () => {
      const schema = entityFields(ENTITIES.plugins.schema as EntitySchema, plugin)
      fc.assert(
        fc.property(setValueOf(schema), value => {
          assert.deepEqual(throughForm(schema, value), { value, faults: [] })
        }),
        { numRuns: RUNS },
      )
    })

  for (const [kind, { schema: spec }] of Object.entries(ENTITIES))
    it(`gives back every one of ${kind} as it was`, () => {
      const schema = entityFields(spec as EntitySchema)
      fc.assert(
        fc.property(setValueOf(schema), value => {
          assert.deepEqual(throughForm(schema, value), { value, faults: [] })
        }),
        { numRuns: RUNS },
      )
    })

  it('gives back what the schema does not know, and what has another type than it says', () => {
    for (const value of [
      { unknown: [1, { x: null }], name: 'a' },
      { name: 5, port: 'eighty', inner: [1], headers: ['a'], list: { 0: 1 } },
      { name: { nested: true } },
    ])
      assert.deepEqual(throughForm(RECORD, value), { value, faults: [] })
  })

  it('tells absent, not set and empty from each other', () => {
    for (const value of [{}, { name: null }, { name: '' }, { list: [] }, { headers: {} }, { inner: {} }])
      assert.deepEqual(throughForm(RECORD, value).value, value)
  })

  it('has a nested record from the moment that one of its fields is edited', () => {
    const inner = record({ inner: null }).fields.find(({ name }) => name === 'inner')?.node as RecordNode
    const edited = withField(inner, 'a', { ...newNode({ type: 'string' }), kind: 'text', text: 'x' })
    assert.deepEqual(toValue(withField(record({ inner: null }), 'inner', edited)).value, {
      inner: { a: 'x' },
    })
  })

  it('unsets to null what was there, and to nothing what was not', () => {
    const node = toNode({ type: 'string' }, 'x')
    assert.equal(toValue(unsetNode(node, false)).value, null)
    assert.equal(toValue(unsetNode(node, true)).value, undefined)
    assert.equal(toValue(unsetNode(toNode({ type: 'integer', default: 3 }, 4), true)).value, null)
  })

  it('says at its JSON pointer what has no value', () => {
    const pointersOf = (schema: FieldSchema, text: string) => {
      const node = { ...newNode(schema), kind: 'number' as const, text }
      return toValue(withField(record({}), 'port', node)).faults
    }
    assert.deepEqual(pointersOf({ type: 'integer' }, '1.5'), [
      { pointer: '/port', detail: 'must be an integer' },
    ])
    assert.deepEqual(pointersOf({ type: 'number' }, 'x'), [{ pointer: '/port', detail: 'must be a number' }])
    const map = toNode(RECORD, { headers: { 'a/b': 'c' } }) as RecordNode
    const headers = map.fields.find(({ name }) => name === 'headers')?.node
    assert.ok(headers?.kind === 'map')
    const twice = withField(map, 'headers', { ...headers, entries: [...headers.entries, ...headers.entries] })
    assert.deepEqual(toValue(twice).faults, [
      { pointer: '/headers/a~1b', detail: 'the key "a/b" occurs twice' },
    ])
  })

  it("keeps a secret's mask, which means unchanged", () => {
    assert.equal(throughForm({ type: 'string', encrypted: true }, MASK).value, MASK)
  })

  it('leaves out fields that Kong fills in, and those that a plugin must not have', () => {
    const schema = entityFields(
      {
        fields: [{ id: { type: 'string' } }, { consumer: { type: 'foreign' } }, { name: { type: 'string' } }],
      },
      { fields: [{ consumer: { type: 'foreign', eq: null } }, { config: { type: 'record', fields: [] } }] },
    )
    assert.deepEqual(
      namedFields(schema.fields).map(([name]) => name),
      ['name'],
    )
  })
})

describe('the difference of two entities', () => {
  it('as a patch makes one out of the other', () => {
    fc.assert(
      fc.property(recordOf(RECORD.fields), recordOf(RECORD.fields), (before, after) => {
        const patched = withPatch(RECORD, before, patchOf(RECORD, before, after))
        // Null and absent are the same to Kong, but not within maps and lists.
        assert.ok(isSame(withoutNulls(patched), withoutNulls(after)))
      }),
      { numRuns: RUNS * 10 },
    )
  })

  it('holds of a record only the fields that differ, and of everything else the whole', () => {
    const before = { name: 'a', inner: { a: '1', b: '2' }, headers: { x: '1', y: '2' }, list: [1, 2] }
    const after = { name: 'a', inner: { a: '1', b: '3' }, headers: { x: '1' }, list: [1] }
    assert.deepEqual(patchOf(RECORD, before, after), { inner: { b: '3' }, headers: { x: '1' }, list: [1] })
    assert.deepEqual(patchOf(RECORD, before, before), {})
  })

  it('is told leaf by leaf', () => {
    assert.deepEqual(differences({ c: { limits: [{ n: 1 }], x: 1 } }, { c: { limits: [{ n: 2 }], x: 1 } }), [
      { path: 'c.limits.0.n', before: 1, after: 2 },
    ])
    const made = [{ path: 'c.x', before: undefined, after: 1 }]
    assert.deepEqual(differences({ c: null }, { c: { x: 1 } }), made)
    const gone = [{ path: 'c.x', before: 1, after: undefined }]
    assert.deepEqual(differences({ c: { x: 1 } }, null), gone)
    assert.deepEqual(differences({ tags: ['a'] }, { tags: ['a', 'b'] }), [
      { path: 'tags', before: ['a'], after: ['a', 'b'] },
    ])
  })
})

/** Without the nulls of records: what is absent there is null to Kong. */
function withoutNulls(value: unknown): unknown {
  const { inner, ...rest } = value as Record<string, unknown>
  const clean = (one: object) => Object.fromEntries(Object.entries(one).filter(([, item]) => item !== null))
  return clean({ ...rest, ...(inner ? { inner: clean(inner) } : {}) })
}
