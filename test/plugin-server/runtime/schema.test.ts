import assert from 'node:assert/strict'
import { kongFields } from '../../../plugin-server/runtime/schema.ts'
import { Type } from '../../../sdk/sdk.ts'

describe('the schema for Kong', () => {
  it('says of an optional record that it is not required, since Kong would take it for required', () => {
    const [inner, list] = kongFields(
      Type.Object({
        inner: Type.Optional(Type.Object({ host: Type.String() })),
        list: Type.Array(Type.Object({ host: Type.String() })),
      }),
      'config',
    )
    assert.equal(inner?.inner?.required, false)
    assert.equal(list?.list?.required, true)
  })

  it('turns bounds, lengths, choices, sets and maps into those of Kong', () => {
    const fields = kongFields(
      Type.Object({
        port: Type.Integer({ minimum: 1, maximum: 65_535, default: 80 }),
        share: Type.Number({ exclusiveMinimum: 0 }),
        mode: Type.Enum(['a', 'b']),
        name: Type.String({ minLength: 1, maxLength: 9 }),
        tags: Type.Array(Type.String(), { uniqueItems: true }),
        by: Type.Record(Type.String(), Type.Integer()),
      }),
      'config',
    )
    assert.deepEqual(fields, [
      { port: { type: 'integer', between: [1, 65_535], required: true, default: 80 } },
      { share: { type: 'number', gt: 0, required: true } },
      { mode: { type: 'string', one_of: ['a', 'b'], required: true } },
      { name: { type: 'string', len_min: 1, len_max: 9, required: true } },
      { tags: { type: 'set', elements: { type: 'string' }, required: true } },
      { by: { type: 'map', keys: { type: 'string' }, values: { type: 'integer' }, required: true } },
    ])
  })

  it('names the place of what Kong has no word for', () => {
    const union = Type.Object({ either: Type.Union([Type.String(), Type.Integer()]) })
    assert.throws(() => kongFields(union, 'config'), /config\.either: Kong's schemas can't express a union/)
    const terse = Type.Object({ port: Type.Integer({ description: 'its port' }) })
    assert.throws(() => kongFields(terse, 'config'), /config\.port: .* a description of 8 characters/)
  })
})
