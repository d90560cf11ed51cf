import assert from 'node:assert/strict'
import fc from 'fast-check'
import { crc32c } from '../../events/spool/crc32c.ts'
import {
  encodeRecord,
  MAX_PAYLOAD_BYTES,
  RECORD_HEADER_BYTES,
  scanRecords,
} from '../../events/spool/record.ts'

describe('CRC-32C', () => {
  it('gives the values of RFC 3720, appendix B.4', () => {
    assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283)
    assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa)
    assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43)
    assert.equal(crc32c(Buffer.from(Array.from({ length: 32 }, (_, i) => i))), 0x46dd794e)
  })
})

describe('a scan of records', () => {
  const texts = fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 12 })
  const encode = (payloads: readonly string[]) => Buffer.concat(payloads.map(encodeRecord))
  const payloads = (bytes: Buffer) => scanRecords(bytes, true).records.map(r => r.payload.toString())
  const wellFormed = (text: string) => Buffer.from(text).toString()

  it('gives back what was encoded', () => {
    fc.assert(
      fc.property(texts, list => {
        assert.deepEqual(payloads(encode(list)), list.map(wellFormed))
      }),
    )
  })

  it('leaves an unfinished record for later, wherever it ends', () => {
    const bytes = encode(['one', 'two'])
    const first = encodeRecord('one').length
    for (let length = first; length < bytes.length; length++) {
      const scan = scanRecords(bytes.subarray(0, length), false)
      assert.equal(scan.consumed, first)
      assert.equal(scan.badBytes, 0)
    }
  })

  it('counts an unfinished record as damage when nothing will follow', () => {
    const bytes = encode(['one', 'two'])
    const scan = scanRecords(bytes.subarray(0, bytes.length - 1), true)
    assert.equal(scan.records.length, 1)
    assert.equal(scan.consumed, bytes.length - 1)
    assert.equal(scan.badRegions, 1)
    assert.equal(scan.badBytes, encodeRecord('two').length - 1)
  })

  it('loses only the records that damage touches, whatever byte it changes', () => {
    fc.assert(
      fc.property(texts, fc.nat(), fc.integer({ min: 1, max: 255 }), (list, place, flip) => {
        const bytes = encode(list)
        const at = place % bytes.length
        let hit = 0
        for (let end = 0; hit < list.length; hit++) {
          end += RECORD_HEADER_BYTES + Buffer.byteLength(list[hit]!)
          if (at < end) break
        }
        bytes[at] = bytes[at]! ^ flip
        const expected = list.map(wellFormed).filter((_, i) => i !== hit)
        assert.deepEqual(payloads(bytes), expected)
        assert.equal(scanRecords(bytes, true).badRegions, 1)
      }),
    )
  })

  it('survives any bytes and always gets to their end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), noise => {
        assert.equal(scanRecords(Buffer.from(noise), true).consumed, noise.length)
        assert.ok(scanRecords(Buffer.from(noise), false).consumed <= noise.length)
      }),
    )
  })

  it('does not wait for a record that claims to be longer than any', () => {
    const record = encodeRecord('x')
    record.writeUInt32LE(MAX_PAYLOAD_BYTES + 1, 8)
    assert.equal(scanRecords(Buffer.concat([record, encodeRecord('next')]), false).records.length, 1)
  })
})
