import assert from 'node:assert/strict'
import fc from 'fast-check'
import { createSchema } from '../../../kong/schema/schema.ts'
import type { FieldSpec, SchemaSpec } from '../../../kong/schema/spec.ts'

/** A plugin's schema as a plugin server dumps it: limits of tiers, in a map of records of arrays of records. */
const limit: FieldSpec = {
  type: 'record',
  fields: [
    { requests: { type: 'integer', required: true, gt: 0 } },
    { window: { type: 'string', default: 'minute', one_of: ['second', 'minute'] } },
  ],
}
const dump: SchemaSpec = {
  name: 'limits',
  fields: [
    {
      config: {
        type: 'record',
        required: true,
        fields: [
          {
            tiers: {
              type: 'map',
              keys: { type: 'string', len_min: 2 },
              values: {
                type: 'record',
                fields: [{ limits: { type: 'array', len_min: 1, elements: limit } }],
              },
            },
          },
          { names: { type: 'set', elements: { type: 'string', match: '^%l+$' }, default: ['a'] } },
          {
            nested: { type: 'record', fields: [{ depth: { type: 'number', default: 3, between: [0, 9] } }] },
          },
          {
            optional: { type: 'record', required: false, fields: [{ deep: { type: 'number', default: 1 } }] },
          },
          { secret: { type: 'string', referenceable: true, len_min: 30 } },
        ],
      },
    },
  ],
}

const plugins = createSchema(
  {
    name: 'plugins',
    subschema_key: 'name',
    fields: [
      { name: { type: 'string', required: true } },
      { config: { type: 'record', abstract: true } },
      { protocols: { type: 'set', elements: { type: 'string' }, default: ['http'] } },
    ],
  },
  { limits: dump },
)
const filled = (config: unknown) => plugins.fill({ name: 'limits', config }, 'insert')
const wrong = (config: unknown) => plugins.check(filled(config))

describe('a schema', () => {
  it('fills in defaults at every depth, also in a map of records', () => {
    assert.deepEqual(filled({ tiers: { gold: { limits: [{ requests: 5 }] } } }).config, {
      tiers: { gold: { limits: [{ requests: 5, window: 'minute' }] } },
      names: ['a'],
      nested: { depth: 3 },
      optional: null,
      secret: null,
    })
  })

  it('makes a required record whole when it is left out, and an optional one null', () => {
    const { config } = plugins.fill({ name: 'limits' }, 'insert') as { config: Record<string, unknown> }
    assert.deepEqual([config.nested, config.optional], [{ depth: 3 }, null])
  })

  it('names the whole path of what is wrong', () => {
    assert.deepEqual(wrong({ tiers: { gold: { limits: [{ requests: 1 }, { requests: 0 }] } } }), {
      config: { tiers: { limits: [null, { requests: 'value must be greater than 0' }] } },
    })
    assert.deepEqual(wrong({ nested: { depth: 10, more: 1 } }), {
      config: { nested: { depth: 'value should be between 0 and 9', more: 'unknown field' } },
    })
  })

  it('checks the keys of maps and the elements of sets', () => {
    assert.deepEqual(wrong({ tiers: { x: { limits: null } } }), {
      config: { tiers: 'length must be at least 2' },
    })
    // To Lua a list is a map whose keys are numbers.
    assert.deepEqual(wrong({ tiers: [{ limits: null }] }), { config: { tiers: 'expected a string' } })
    assert.deepEqual(wrong({ names: ['ok', 'No', ''] }), {
      config: { names: [null, 'invalid value: No', 'length must be at least 1'] },
    })
  })

  it('drops repeated values of a set', () => {
    assert.deepEqual((filled({ names: ['b', 'a', 'b'] }).config as { names: string[] }).names, ['b', 'a'])
  })

  it('takes an empty list for an empty record and the other way round, as Lua does', () => {
    assert.deepEqual((filled({ nested: [], names: {} }).config as Record<string, unknown>).nested, {
      depth: 3,
    })
    assert.equal(wrong({ nested: [], names: {} }), undefined)
  })

  it('does not check a reference to a vault, whose value it cannot know', () => {
    assert.equal(wrong({ secret: '{vault://env/s}' }), undefined)
    assert.deepEqual(wrong({ secret: 'short' }), { config: { secret: 'length must be at least 30' } })
  })

  it('merges records field by field, lists and maps as a whole', () => {
    const bottom = filled({ names: ['x'], nested: { depth: 5 }, tiers: { aa: { limits: null } } })
    const top = plugins.fill({ name: 'limits', config: { names: ['y'], tiers: {} } }, 'update')
    assert.deepEqual((plugins.merge(top, bottom).config as Record<string, unknown>).nested, { depth: 5 })
    assert.deepEqual((plugins.merge(top, bottom).config as Record<string, unknown>).names, ['y'])
    assert.deepEqual((plugins.merge(top, bottom).config as Record<string, unknown>).tiers, {})
  })

  it('never throws, whatever it is given, and what it fills once stays the same', () => {
    fc.assert(
      fc.property(fc.jsonValue(), value => {
        const once = filled(value)
        plugins.check(once)
        assert.deepEqual(plugins.fill(once, 'insert'), once)
      }),
      { numRuns: 300 },
    )
  })
})

describe('checks over several fields', () => {
  const check = (checks: SchemaSpec['entity_checks'], data: Record<string, unknown>) => {
    const schema = createSchema({
      fields: [
        { a: { type: 'string' } },
        { b: { type: 'string' } },
        { n: { type: 'integer' } },
        { s: { type: 'set', elements: { type: 'string' } } },
      ],
      ...(checks && { entity_checks: checks }),
    })
    return schema.check(schema.fill(data, 'insert'))?.['@entity']
  }

  it('demand one, exactly one, all or none, or different ones', () => {
    assert.deepEqual(check([{ at_least_one_of: ['a', 'b'] }], {}), [
      "at least one of these fields must be non-empty: 'a', 'b'",
    ])
    assert.deepEqual(check([{ only_one_of: ['a', 'b'] }], { a: 'x', b: 'y' }), [
      "exactly one of these fields must be non-empty: 'a', 'b'",
    ])
    assert.deepEqual(check([{ mutually_required: ['a', 'b'] }], { a: 'x' }), [
      "all or none of these fields must be set: 'a', 'b'",
    ])
    assert.deepEqual(check([{ mutually_exclusive: ['a', 'b'] }], { a: 'x', b: 'y' }), [
      "only one or none of these fields must be set: 'a', 'b'",
    ])
    assert.deepEqual(check([{ distinct: ['a', 'b'] }], { a: 'x', b: 'x' }), [
      "values of these fields must be distinct: 'a', 'b'",
    ])
    assert.equal(check([{ distinct: ['a', 'b'] }], { a: 'x', b: 'y' }), undefined)
  })

  it('let one field rule another', () => {
    const rule = {
      conditional: {
        if_field: 'n',
        if_match: { gt: 5 },
        then_field: 's',
        then_match: { contains: 'big' },
      },
    }
    assert.deepEqual(check([rule], { n: 6, s: ['small'] }), [
      "failed conditional validation given value of field 'n'",
    ])
    assert.equal(check([rule], { n: 6, s: ['big'] }), undefined)
    assert.equal(check([rule], { n: 5, s: ['small'] }), undefined)
  })
})
