import assert from 'node:assert/strict'
import { recordedSchema } from '../../../kong/entities/recorded.ts'
import { isSame, normaliseCurrent, normaliseDeclared } from '../../../kong/reconcile/normalise.ts'
import { createSchemas } from '../../../kong/reconcile/schemas.ts'
import { expandRecord, urlProblem } from '../../../kong/reconcile/shorthand.ts'
import type { NamedField, SchemaSpec } from '../../../kong/schema/spec.ts'

/** As Kong 3.9.3 published it, so without functions. */
const published = (kind: string) => recordedSchema('entities', kind)

describe('shorthands', () => {
  const known = createSchemas({
    kinds: new Map((['services', 'upstreams', 'targets'] as const).map(kind => [kind, published(kind)])),
    plugins: {},
    vaults: {},
  })
  const sent = (kind: 'services' | 'upstreams' | 'targets', row: Record<string, unknown>) =>
    normaliseDeclared(kind, row, known, () => false).sent

  it('a URL stands for protocol, host, port and path', () => {
    const parts = { protocol: 'http', host: 'h.test', port: 80, path: null }
    assert.deepEqual(sent('services', { url: 'http://h.test' }), parts)
    assert.deepEqual(sent('services', { name: 's', url: 'https://h.test:9/a/b' }), {
      name: 's',
      protocol: 'https',
      host: 'h.test',
      port: 9,
      path: '/a/b',
    })
  })

  it('a URL has no place for a query, a fragment or user information, which is not shown', () => {
    assert.equal(urlProblem('http://h.test:80/a'), undefined)
    assert.equal(urlProblem('http://h.test/a?b=1'), 'a service takes no query in its URL: ?b=1')
    assert.match(
      urlProblem('http://user:secret@h.test') ?? '',
      /^a service takes no user information in its URL/,
    )
    assert.ok(!urlProblem('http://user:secret@h.test')?.includes('secret'))
    assert.match(urlProblem('http://h.test/#x') ?? '', /no fragment/)
    assert.match(urlProblem('h.test') ?? '', /must be a URL such as/)
  })

  it('targets have a port, and IPv6 is written out, as Kong 3.9.3 stores them', () => {
    const target = (text: string) => sent('targets', { target: text }).target
    assert.equal(target('foo'), 'foo:8000')
    assert.equal(target('foo:9'), 'foo:9')
    assert.equal(target('::1'), '[0000:0000:0000:0000:0000:0000:0000:0001]:8000')
    assert.equal(target('[fe80::a:1]:9'), '[fe80:0000:0000:0000:0000:0000:000a:0001]:9')
  })

  it('what to hash on chooses the algorithm', () => {
    const { algorithm } = sent('upstreams', { name: 'u', hash_on: 'ip' })
    assert.equal(algorithm, 'consistent-hashing')
  })

  it('deprecated fields count as those that replaced them, which rule where both are there', () => {
    const spec = {
      fields: [{ redis: { type: 'record', fields: [] } }],
      shorthand_fields: [
        { redis_host: { type: 'string', deprecation: { replaced_with: [{ path: ['redis', 'host'] }] } } },
        { redis_port: { type: 'integer', deprecation: { replaced_with: [{ path: ['redis', 'port'] }] } } },
      ],
    } as unknown as SchemaSpec
    assert.deepEqual(expandRecord({ redis_host: 'a', redis_port: 1, redis: { port: 2 }, minute: 5 }, spec), {
      redis: { host: 'a', port: 2 },
      minute: 5,
    })
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
})
