import assert from 'node:assert/strict'
import { findSchemaFault } from '../../../kong/schema/metaschema.ts'

const withConfig = (fields: unknown) => ({ name: 'p', fields: [{ config: { type: 'record', fields } }] })

describe('the schema of a plugin', () => {
  it('is fine with every type of field', () => {
    const schema = withConfig([
      { a: { type: 'array', elements: { type: 'string', match: '^%a+$' } } },
      {
        m: {
          type: 'map',
          keys: { type: 'string' },
          values: { type: 'record', fields: [{ n: { type: 'number' } }] },
        },
      },
      { s: { type: 'set', elements: { type: 'integer', between: [0, 5] } } },
    ])
    assert.equal(findSchemaFault(schema), undefined)
  })

  const faults: readonly (readonly [schema: unknown, fault: string])[] = [
    [undefined, 'is not an object'],
    [{ fields: [] }, 'has no name'],
    [{ name: 'p' }, 'fields: is not a list'],
    [{ name: 'p', fields: [] }, 'has no field config'],
    [withConfig([{ a: { type: 'array' } }]), 'config.a.elements: is not an object'],
    [withConfig([{ a: {} }]), 'config.a: has no type'],
    [
      withConfig([{ a: { type: 'string', description: 'too short' } }]),
      'config.a.description: has 9 characters, not 10 to 500',
    ],
    [
      withConfig([{ a: { type: 'text' } }]),
      'config.a: the type "text" is not one of string, number, integer, boolean, array, set, map, record, foreign, json',
    ],
    [
      withConfig([{ a: { type: 'string' }, b: { type: 'string' } }]),
      'config.fields.1: is not an object with one name',
    ],
    [
      withConfig([{ a: { type: 'string' } }, { a: { type: 'string' } }]),
      "config.fields.2: the name 'a' stands there twice",
    ],
    [withConfig([{ a: { type: 'number', between: [1] } }]), 'config.a.between: is not two numbers'],
    [
      withConfig([{ a: { type: 'string', match: '%b()' } }]),
      'config.a.match: the Lua pattern item %b is not known',
    ],
  ]
  for (const [schema, fault] of faults)
    it(`is refused when it ${fault}`, () => {
      assert.equal(findSchemaFault(schema), fault)
    })
})
