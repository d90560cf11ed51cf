import assert from 'node:assert/strict'
import fc from 'fast-check'
import { createMsgpackCodec } from '../../../plugin-server/transport/msgpack-connection.ts'
import { TYPES } from '../../../protocol/types.ts'
import { WireReader, WireWriter } from '../../../protocol/wire.ts'

/** `café` as Latin-1 has it, and as UTF-8 has it once it was read. */
const LATIN = Buffer.from('caf\xe9', 'latin1')
const READ = 'caf\ufffd'

const bytesField = (tag: number, bytes: Uint8Array) => Buffer.from([tag, bytes.length, ...bytes])

/** What Kong sends where it has these bytes for a text: they are its own strings, whatever they hold. */
const SENT: Readonly<
  Record<string, (bytes: Uint8Array) => { readonly text: unknown; readonly rest: unknown }>
> = {
  'ProtoBuf:1'(bytes) {
    // A list of two values, as for a header that came twice.
    const values = [bytes, Buffer.from('rest')].map(each => bytesField(0x0a, bytesField(0x1a, each)))
    const [text, rest] = TYPES.ListValue.read(new WireReader(Buffer.concat(values)))
    return { text, rest }
  },
  'MsgPack:1'(bytes) {
    const values = [bytes, Buffer.from('rest')].map(each => Buffer.from([0xd9, each.length, ...each]))
    const [text, rest] = createMsgpackCodec().unpackr.unpack(Buffer.concat([Buffer.of(0x92), ...values]))
    return { text, rest }
  },
}

for (const [protocol, read] of Object.entries(SENT))
  describe(`text that is not UTF-8, over ${protocol}`, () => {
    it('is read with U+FFFD for what is wrong, so that its bytes are lost', () => {
      assert.equal(read(LATIN).text, READ)
    })

    it('is read as UTF-8 is, whatever its bytes, and nothing behind it is touched', () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
          assert.deepEqual(read(bytes), { text: Buffer.from(bytes).toString(), rest: 'rest' })
        }),
      )
    })
  })

describe('text that was not UTF-8', () => {
  it('is written as it was read, not as it was sent', () => {
    const writer = new WireWriter()
    TYPES.String.write(writer, [READ])
    assert.deepEqual(writer.take(), bytesField(0x0a, Buffer.from('caf\xef\xbf\xbd', 'latin1')))
    const packed = createMsgpackCodec().packr.pack(READ)
    assert.deepEqual(packed.subarray(1), Buffer.from(READ))
  })
})
