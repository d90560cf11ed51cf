import assert from 'node:assert/strict'
import { hashPassword } from '../../../kong/reconcile/expected.ts'
import { isSame, normaliseCurrent, normaliseDeclared } from '../../../kong/reconcile/normalise.ts'
import { createSchemas } from '../../../kong/reconcile/schemas.ts'
import { expandUrl, formatTarget, replaceDeprecated } from '../../../kong/reconcile/shorthand.ts'
import type { NamedField, SchemaSpec } from '../../../kong/schema/spec.ts'

describe('shorthands', () => {
  it('a URL stands for protocol, host, port and path', () => {
    assert.deepEqual(expandUrl('http://h.test'), { protocol: 'http', host: 'h.test', port: 80, path: null })
    assert.deepEqual(expandUrl('https://h.test/a/b'), {
      protocol: 'https',
      host: 'h.test',
      port: 443,
      path: '/a/b',
    })
    assert.deepEqual(expandUrl('grpc://[::1]:9'), { protocol: 'grpc', host: '[::1]', port: 9, path: null })
    assert.equal(expandUrl('nonsense'), undefined)
  })

  it('targets have a port, and IPv6 is written out, as Kong 3.9.3 stores them', () => {
    assert.equal(formatTarget('foo'), 'foo:8000')
    assert.equal(formatTarget('foo:9'), 'foo:9')
    assert.equal(formatTarget('::1'), '[0000:0000:0000:0000:0000:0000:0000:0001]:8000')
    assert.equal(formatTarget('[fe80::a:1]:9'), '[fe80:0000:0000:0000:0000:0000:000a:0001]:9')
  })

  it('deprecated fields count as those that replaced them, which rule where both are there', () => {
    const spec = {
      fields: [{ redis: { type: 'record', fields: [] } }],
      shorthand_fields: [
        { redis_host: { type: 'string', deprecation: { replaced_with: [{ path: ['redis', 'host'] }] } } },
        { redis_port: { type: 'integer', deprecation: { replaced_with: [{ path: ['redis', 'port'] }] } } },
      ],
    } as unknown as SchemaSpec
    assert.deepEqual(
      replaceDeprecated({ redis_host: 'a', redis_port: 1, redis: { port: 2 }, minute: 5 }, spec),
      {
        redis: { host: 'a', port: 2 },
        minute: 5,
      },
    )
  })
})

describe('normalising', () => {
  const tags: NamedField = { tags: { type: 'set', elements: { type: 'string' } } }
  const services: SchemaSpec = {
    fields: [
      { id: { type: 'string', uuid: true, auto: true } },
      { created_at: { type: 'integer', timestamp: true, auto: true } },
      { name: { type: 'string' } },
      { port: { type: 'integer', default: 80 } },
      { enabled: { type: 'boolean', default: true } },
      { retries: { type: 'integer', default: 5 } },
      tags,
    ],
  }
  const schemas = createSchemas({ kinds: new Map([['services', services]]), plugins: {}, vaults: {} })

  it('drops ids and times, and fills in what is missing', () => {
    assert.deepEqual(
      normaliseCurrent('services', { id: 'x', created_at: 1, name: 's', retries: null }, schemas),
      {
        name: 's',
        port: 80,
        enabled: true,
        retries: null,
        tags: null,
      },
    )
  })

  it('types what came from the environment, and nothing else', () => {
    const row = { name: '12', port: '8080', enabled: 'false', retries: '3' }
    const all = normaliseDeclared('services', row, schemas, () => true).sent
    assert.deepEqual(all, { name: '12', port: 8080, enabled: false, retries: 3 })
    assert.deepEqual(normaliseDeclared('services', row, schemas, () => false).sent, row)
  })

  it('compares sets without order, lists with it, and knows one empty table', () => {
    const set = schemas.of('services')!.fieldsFor({}).get('tags')
    assert.equal(isSame(['a', 'b'], ['b', 'a'], set), true)
    assert.equal(isSame(['a', 'b'], ['b', 'a'], undefined), false)
    assert.equal(isSame(['a'], ['a', 'b'], set), false)
    assert.equal(isSame({}, [], undefined), true)
    assert.equal(isSame(null, undefined, undefined), true)
    assert.equal(isSame(null, [], set), false)
    assert.equal(isSame({ a: 1, b: 2 }, { b: 2, a: 1 }, undefined), true)
  })

  it('hashes a basic-auth password as Kong 3.9.3 does', () => {
    assert.equal(
      hashPassword('pw', '25681936-b9a5-44c9-917e-5b9c30ec5a43'),
      '564b82397e60110ba257ed9e5660014c6e21c0c2',
    )
  })
})
