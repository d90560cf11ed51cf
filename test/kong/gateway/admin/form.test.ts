import assert from 'node:assert/strict'
import fc from 'fast-check'
import { createEntitySchemas } from '../../../../kong/entities/schemas.ts'
import { inferTypes, nest } from '../../../../kong/gateway/admin/form.ts'
import { recordedSchema } from '../../../../kong/gateway/plugins/recorded-schema.ts'

const read = (form: string) => nest(new URLSearchParams(form))

describe('a form as people type it with curl', () => {
  it('nests by dots and brackets', () => {
    assert.deepEqual(
      read('name=key-auth&config.hide_credentials=true&config.key_names[]=x&config.key_names[]=y'),
      {
        name: 'key-auth',
        config: { hide_credentials: 'true', key_names: ['x', 'y'] },
      },
    )
    assert.deepEqual(read('headers[x-version][]=1&headers.x-other=2'), {
      headers: { 'x-version': ['1'], 'x-other': '2' },
    })
  })

  it('makes lists of repeated names and of numbered ones', () => {
    assert.deepEqual(read('hosts=a&hosts=b'), { hosts: ['a', 'b'] })
    assert.deepEqual(read('paths[1]=/a&paths[2]=/b'), { paths: ['/a', '/b'] })
  })

  it('takes types from the schema, also within the configuration of a plugin', () => {
    const { plugins, services } = createEntitySchemas({ 'key-auth': recordedSchema('key-auth') })
    assert.deepEqual(
      inferTypes(
        read('name=key-auth&config.hide_credentials=true&config.key_names=x&enabled=false'),
        plugins,
      ),
      {
        name: 'key-auth',
        config: { hide_credentials: true, key_names: ['x'] },
        enabled: false,
      },
    )
    assert.deepEqual(inferTypes(read('name=8080&port=8080&retries=many&tags='), services), {
      name: '8080',
      port: 8080,
      retries: 'many',
      tags: null,
    })
  })

  it('survives any names, and touches no prototype', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string(), fc.string())), pairs => {
        nest(pairs)
      }),
    )
    nest([['__proto__.polluted', 'yes']])
    nest([['constructor.prototype.polluted', 'yes']])
    assert.equal(({} as { polluted?: string }).polluted, undefined)
  })
})
