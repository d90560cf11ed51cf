import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Packr, Unpackr } from 'msgpackr'
import { packCall } from '../../plugin-server/transport/msgpack-pack.ts'
import { TYPES } from '../../protocol/types.ts'
import { WireReader, WireWriter } from '../../protocol/wire.ts'

/** Around the length from which values are not copied, and around the lengths at which a length takes a byte more. */
const LENGTHS = [0, 1, 127, 128, 16_383, 16_384, 16_385, 20_000, 70_000]
const bodies = fc
  .tuple(fc.constantFrom(...LENGTHS), fc.boolean(), fc.constantFrom('x', 'ü'))
  .map(([length, asBytes, letter]) => (asBytes ? Buffer.alloc(length, letter) : letter.repeat(length)))

describe('long values over ProtoBuf:1', () => {
  it('make the same bytes as short ones, in whatever frames and messages they stand', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(bodies, bodies), { minLength: 1, maxLength: 4 }), calls => {
        const writer = new WireWriter(16)
        for (const [body, header] of calls) {
          const mark = writer.openFrame()
          TYPES.ExitArgs.write(writer, [200, body, { 'x-long': String(header), 'x-short': 'y' }])
          writer.closeFrame(mark)
        }
        const bytes = Buffer.concat(writer.takeChunks())
        assert.equal(writer.length, 0)
        let at = 0
        for (const [body, header] of calls) {
          const length = bytes.readUInt32LE(at)
          at += 4
          const [status, read, headers] = TYPES.ExitArgs.read(new WireReader(bytes, at, at + length))
          assert.equal(status, 200)
          assert.equal(String(read), String(body))
          assert.deepEqual(headers, { 'x-long': String(header), 'x-short': 'y' })
          at += length
        }
        assert.equal(at, bytes.length)
      }),
      { numRuns: 60 },
    )
  })

  it('are not copied, and leave nothing behind', () => {
    const writer = new WireWriter()
    const body = Buffer.alloc(100_000, 'x')
    TYPES.ExitArgs.write(writer, [200, body, {}])
    assert.equal(writer.hasLongValues, true)
    assert.ok(writer.bytes.length < 10_000)
    assert.ok(writer.takeChunks().includes(body))
    assert.equal(writer.hasLongValues, false)
    assert.deepEqual(writer.take(), Buffer.alloc(0))
  })

  it('are forgotten with a call that could not be written', () => {
    const writer = new WireWriter()
    writer.stringField(0x0a, 'kept')
    const before = writer.length
    TYPES.ExitArgs.write(writer, [200, Buffer.alloc(20_000), {}])
    writer.truncate(before)
    assert.equal(writer.take().toString(), '\n\x04kept')
  })
})

describe('long values over MsgPack:1', () => {
  it('make the message that the packer makes of them', () => {
    const packr = new Packr({ useRecords: false, encodeUndefinedAsNil: true, variableMapSize: true })
    const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true })
    fc.assert(
      fc.property(bodies, bodies, (first, second) => {
        const call = {
          EventId: 77_000,
          Data: { Method: 'kong.response.exit', Args: [200, first, { a: second }] },
        }
        const chunks = packCall(packr, 5, call)
        assert.deepEqual(unpackr.unpack(Buffer.concat(chunks)), [1, 5, null, call])
        if (first instanceof Uint8Array && first.length > 16_384) assert.ok(chunks.includes(first))
      }),
      { numRuns: 60 },
    )
  })
})
