// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the expressions of a declared state look like that
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Ajv } from 'ajv'
import { parse } from 'yaml'
import { stateSchemaText } from '../../../cli/commands/state-schema.ts'

const desired = (name: string) =>
  readFileSync(new URL(`../../../kong/desired/${name}`, import.meta.url), 'utf8')

const FILE = path.resolve(import.meta.dirname, '../../../../kong/desired/kong.schema.json')

describe('the JSON Schema of a declared state', () => {
  const schema = JSON.parse(desired('kong.schema.json'))
  const check = new Ajv({ allErrors: true, strict: false }).compile(schema)
  const wrongPlaces = (state: object) => {
    check({ _format_version: '3.0', ...state })
    return [...new Set((check.errors ?? []).map(error => error.instancePath))]
  }

  it('is up to date (else: UPDATE_DOCS=1 npx mocha dist/test/kong/desired/json-schema.test.js)', async () => {
    const wanted = await stateSchemaText()
    if (process.env.UPDATE_DOCS) writeFileSync(FILE, wanted)
    else assert.ok(readFileSync(FILE, 'utf8') === wanted, 'UPDATE_DOCS=1 renews it')
  })

  for (const name of ['kong.yaml', 'platform.yaml'])
    it(`accepts the sample platform: ${name}`, () => {
      check(parse(desired(name)))
      assert.deepEqual(check.errors, null)
    })

  it('accepts expressions where numbers and switches stand', () => {
    const port = '${{ env "PORT" }}'
    assert.deepEqual(
      wrongPlaces({ services: [{ name: 's', host: 'h', port, enabled: '${{ env "ON" }}' }] }),
      [],
    )
    assert.notDeepEqual(wrongPlaces({ services: [{ name: 's', host: 'h', port: 'eighty' }] }), [])
  })

  it('finds unknown fields and wrong values, in the configurations of plugins too', () => {
    const limits = (limit: object) => ({
      plugins: [{ name: 'qos', config: { default_tier: 't', tiers: { t: { limits: [limit] } } } }],
    })
    assert.deepEqual(wrongPlaces(limits({ name: 'minute', requests: 5, per: 60 })), [])
    assert.ok(
      wrongPlaces(limits({ name: 'minute', requests: 0, per: 60 })).includes(
        '/plugins/0/config/tiers/t/limits/0/requests',
      ),
    )
    assert.ok(wrongPlaces({ services: [{ name: 's', hots: 'h' }] }).includes('/services/0'))
    assert.ok(wrongPlaces({ service: [] }).includes(''))
    assert.deepEqual(wrongPlaces({ plugins: [{ name: 'some-other', config: { any: 1 } }] }), [])
  })
})
