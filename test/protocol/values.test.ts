import assert from 'node:assert/strict'
import fc from 'fast-check'
import { TYPES } from '../../protocol/types.ts'
import { WireReader, WireWriter } from '../../protocol/wire.ts'

function roundTrip(struct: object): unknown {
  const writer = new WireWriter()
  TYPES.Struct.write(writer, [struct])
  return TYPES.Struct.read(new WireReader(writer.take()))[0]
}

describe('a struct of ProtoBuf:1', () => {
  it('is read as it was written, whatever its names, the first time and later', () => {
    const name = fc.string({ unit: 'grapheme', maxLength: 100 })
    fc.assert(
      fc.property(fc.dictionary(name, fc.string({ maxLength: 200 }), { noNullPrototype: true }), struct => {
        for (let time = 0; time < 2; time++) assert.deepEqual(roundTrip(struct), struct)
      }),
    )
  })

  it('is so after thousands of other names', () => {
    const named = (i: number) => ({ [`x-field-${i}`]: `${i}` })
    for (let i = 0; i < 3000; i++) assert.deepEqual(roundTrip(named(i)), named(i))
    assert.deepEqual(roundTrip(named(0)), named(0))
  })
})
