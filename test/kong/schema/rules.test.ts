import assert from 'node:assert/strict'
import { upstream } from '../../../kong/entities/upstream.ts'
import { withRules } from '../../../kong/schema/rules.ts'
import { createSchema } from '../../../kong/schema/schema.ts'
import type { SchemaSpec } from '../../../kong/schema/spec.ts'

const spec: SchemaSpec = {
  name: 'things',
  fields: [
    { id: { type: 'string' } },
    { tags: { type: 'set', elements: { type: 'string' } } },
    {
      config: {
        type: 'record',
        fields: [
          { headers: { type: 'map', keys: { type: 'string' }, values: { type: 'string' } } },
          {
            redis: {
              type: 'record',
              fields: [{ host: { type: 'string' } }, { port: { type: 'integer', default: 6379 } }],
            },
          },
        ],
        shorthand_fields: [
          {
            redis_host: {
              type: 'string',
              deprecation: { message: 'old', replaced_with: [{ path: ['redis', 'host'] }] },
            },
          },
          { address: { type: 'string' } },
        ],
      },
    },
  ],
  entity_checks: [{ custom_entity_check: { field_sources: ['tags'] } }],
}

const complain = (word: string) => (value: string) => (value === 'bad' ? word : undefined)

describe('rules that are added to a recorded schema', () => {
  const schema = createSchema(
    withRules(spec, {
      '': {
        checks: [({ tags }: { tags?: readonly string[] }) => (tags?.includes('x') ? 'no x' : undefined)],
      },
      'tags.elements': complain('tag'),
      'config.headers.keys': complain('key'),
      'config.headers.values': complain('value'),
      'config.redis.host': complain('host'),
      'config.address': { func: (value: string) => ({ redis: { host: value } }) },
    }),
  )
  const wrong = (data: Record<string, unknown>) => schema.check(schema.fill(data, 'insert'))

  it('reach elements, keys, values, nested fields and the schema itself', () => {
    assert.deepEqual(wrong({ tags: ['ok', 'bad'] }), { tags: [null, 'tag'] })
    assert.deepEqual(wrong({ config: { headers: { bad: 'a' } } }), { config: { headers: 'key' } })
    assert.deepEqual(wrong({ config: { headers: { a: 'bad' } } }), { config: { headers: 'value' } })
    assert.deepEqual(wrong({ config: { redis: { host: 'bad' } } }), { config: { redis: { host: 'host' } } })
    assert.deepEqual(wrong({ tags: ['x'] }), { '@entity': ['no x'] })
  })

  it('leave the schema that they are added to as it is', () => {
    assert.deepEqual(createSchema(spec).check({ tags: ['bad'], config: {} }), undefined)
  })

  it('are refused where the schema has no such field', () => {
    assert.throws(
      () => withRules(spec, { 'config.nothing': complain('x') }),
      /things has no field 'config.nothing'/,
    )
  })
})

describe('a value in the place of a record', () => {
  const schema = createSchema(upstream.schema)
  const id = '00000000-0000-4000-8000-000000000001'

  it('that is a list has no field that is known, as in a real Kong', () => {
    const filled = schema.fill({ id, name: 'up', healthchecks: { active: [1, 2] } }, 'insert')
    assert.deepEqual(schema.check(filled), {
      healthchecks: { active: ['unknown field', 'unknown field'] },
    })
  })

  it('that is false is as good as none, as in a real Kong', () => {
    const { healthchecks } = schema.fill({ id, name: 'up', healthchecks: false }, 'insert')
    assert.deepEqual(healthchecks, schema.fill({ id, name: 'up' }, 'insert').healthchecks)
  })
})

describe('shorthand fields', () => {
  it('decide what another one is before that is looked at, as in a real Kong', () => {
    const schema = createSchema(upstream.schema)
    assert.equal(schema.checkShorthands({ name: 'up', algorithm: 'latency', hash_on: true }), undefined)
    assert.deepEqual(schema.checkShorthands({ name: 'up', hash_on: true }), { hash_on: 'expected a string' })
  })

  const schema = createSchema(
    withRules(spec, { 'config.address': { func: (value: string) => ({ redis: { host: value } }) } }),
  )
  const configOf = (config: Record<string, unknown>) => schema.fill({ config }, 'insert').config

  it('stand for the fields that replace them, which keep the last word where they are deprecated', () => {
    assert.deepEqual(configOf({ redis_host: 'a' }), { headers: null, redis: { host: 'a', port: 6379 } })
    assert.deepEqual(configOf({ redis_host: 'a', redis: { host: 'b' } }), {
      headers: null,
      redis: { host: 'b', port: 6379 },
    })
    assert.deepEqual(configOf({ address: 'a', redis: { host: 'b' } }), {
      headers: null,
      redis: { host: 'a', port: 6379 },
    })
  })

  it('may be given beside the new field if both agree', () => {
    assert.equal(schema.checkShorthands({ config: { redis_host: 'a', redis: { host: 'a' } } }), undefined)
    assert.deepEqual(schema.checkShorthands({ config: { redis_host: 'a', redis: { host: 'b' } } }), {
      redis_host:
        'both deprecated and new field are used but their values mismatch: redis_host = a vs redis.host = b',
    })
  })

  it('are not compared with false, which is nothing to Lua', () => {
    assert.equal(schema.checkShorthands({ config: { redis_host: 'a', redis: { host: false } } }), undefined)
  })

  it('do not hide a list in the place of the record', () => {
    const filled = schema.fill({ id: 'i', config: { redis_host: 'a', redis: [['x']] } }, 'insert')
    assert.deepEqual(schema.check(filled), { config: { redis: ['unknown field'] } })
  })

  it('cannot be given beside what is no record, where Kong itself breaks', () => {
    for (const redis of [null, 80, 'x', false])
      assert.deepEqual(schema.checkShorthands({ config: { redis_host: 'a', redis } }), {
        redis_host: 'cannot be given beside redis, which is no record',
      })
    assert.ok(schema.checkShorthands({ config: { redis_host: null, redis: 80 } }))
    assert.equal(schema.checkShorthands({ config: { redis_host: null, redis: null } }), undefined)
    assert.equal(schema.checkShorthands({ config: { redis_host: 'a', redis: { host: null } } }), undefined)
  })

  it('are shown again beside the new field', () => {
    const row = schema.fill({ id: 'i', config: { redis_host: 'a' } }, 'insert')
    assert.deepEqual(schema.withDeprecated(row).config, {
      headers: null,
      redis: { host: 'a', port: 6379 },
      redis_host: 'a',
    })
  })
})
