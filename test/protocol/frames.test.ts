import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Packr, Unpackr } from 'msgpackr'
import { detect } from '../../plugin-server/transport/connection.ts'
import { FrameSplitter } from '../../protocol/frames.ts'
import { MsgpackStream } from '../../protocol/msgpack-stream.ts'

function frame(body: Uint8Array): Buffer {
  const header = Buffer.alloc(4)
  header.writeUInt32LE(body.length)
  return Buffer.concat([header, body])
}

/** Cuts the bytes into chunks of the given lengths, and the rest. */
function cut(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  let at = 0
  for (const length of lengths) {
    chunks.push(bytes.subarray(at, at + length))
    at += length
  }
  chunks.push(bytes.subarray(at))
  return chunks.filter(chunk => chunk.length > 0)
}

function framesOf(chunks: readonly Buffer[], maxBytes = 1 << 20): Buffer[] {
  const found: Buffer[] = []
  const splitter = new FrameSplitter(maxBytes)
  for (const chunk of chunks)
    splitter.push(chunk, (bytes, start, end) => {
      found.push(Buffer.from(bytes.subarray(start, end)))
      return true
    })
  return found
}

function valuesOf(chunks: readonly Buffer[], maxBytes = 1 << 20): unknown[] {
  const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' })
  const found: unknown[] = []
  const stream = new MsgpackStream(maxBytes)
  for (const chunk of chunks)
    stream.push(chunk, bytes => {
      found.push(unpackr.unpack(bytes))
      return true
    })
  return found
}

const bodies = [Buffer.from('one'), Buffer.alloc(0), Buffer.from('three three')]

describe('frames of ProtoBuf:1', () => {
  it('are found when they are split at every byte', () => {
    const all = Buffer.concat(bodies.map(frame))
    for (let at = 1; at < all.length; at++) assert.deepEqual(framesOf(cut(all, [at])), bodies)
    assert.deepEqual(framesOf([...all].map(byte => Buffer.of(byte))), bodies)
  })

  it('are found however they are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 40 }),
        (contents, lengths) => {
          const expected = contents.map(content => Buffer.from(content))
          assert.deepEqual(framesOf(cut(Buffer.concat(expected.map(frame)), lengths)), expected)
        },
      ),
    )
  })

  it('above the cap are refused, before any of their bytes are kept', () => {
    const header = Buffer.alloc(4)
    header.writeUInt32LE(1001)
    assert.throws(() => framesOf([header], 1000), { code: 'SLUICE_PROTOCOL_FRAME' })
  })

  it('that only claim to be long cost no memory', () => {
    const header = Buffer.alloc(5)
    header.writeUInt32LE(512 * 1024 * 1024)
    const before = process.memoryUsage().arrayBuffers
    const splitters = Array.from({ length: 50 }, () => {
      const splitter = new FrameSplitter(1 << 30)
      splitter.push(header, () => assert.fail('no frame is whole'))
      return splitter
    })
    assert.ok(process.memoryUsage().arrayBuffers - before < 16 * 1024 * 1024)
    assert.equal(splitters.length, 50)
  })
})

describe('values of MsgPack:1', () => {
  const packr = new Packr({ useRecords: false })
  const calls = [
    [0, 1, 'plugin.HandleEvent', [{ InstanceId: 70_000, EventName: 'access' }]],
    [
      0,
      2 ** 33,
      'plugin.Step',
      [{ EventId: -5, Data: { a: [], b: 'x'.repeat(300), c: 1.5, d: null, e: false } }],
    ],
    [0, 3, 'plugin.Step', [{ Data: Buffer.alloc(70_000, 7) }]],
  ]

  it('are found when they are split at every byte', () => {
    const small = Buffer.concat(calls.slice(0, 2).map(call => Buffer.from(packr.pack(call))))
    for (let at = 1; at < small.length; at++) assert.deepEqual(valuesOf(cut(small, [at])), calls.slice(0, 2))
    assert.deepEqual(valuesOf([...small].map(byte => Buffer.of(byte))), calls.slice(0, 2))
  })

  it('are found however they are cut', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.json().map(text => JSON.parse(text) as unknown),
          { maxLength: 6 },
        ),
        fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 40 }),
        (values, lengths) => {
          const packed = values.map(value => Buffer.from(packr.pack(value)))
          // Not the values themselves: msgpackr reads a field `__proto__` by another name.
          const whole = packed.flatMap(bytes => valuesOf([bytes]))
          assert.equal(whole.length, values.length)
          assert.equal(JSON.stringify(valuesOf(cut(Buffer.concat(packed), lengths))), JSON.stringify(whole))
        },
      ),
    )
  })

  it('above the cap are refused, also when only their claim has come', () => {
    const claim = Buffer.from([0xc6, 0x7f, 0xff, 0xff, 0xff])
    assert.throws(() => valuesOf([claim], 1000), { code: 'SLUICE_PROTOCOL_FRAME' })
    assert.throws(() => valuesOf([Buffer.alloc(2000, 0x91)], 1000), { code: 'SLUICE_PROTOCOL_FRAME' })
  })

  it('must not hold the one unused byte', () => {
    assert.throws(() => valuesOf([Buffer.of(0x91, 0xc1)]), { code: 'SLUICE_PROTOCOL_FRAME' })
  })
})

describe('a large body', () => {
  /** Counts bytes that are copied, which is what grows with the square where it is done wrong. */
  function copiedBytes(run: () => void): number {
    const { copy } = Buffer.prototype
    let copied = 0
    Buffer.prototype.copy = function (...args: Parameters<typeof copy>) {
      const count = copy.apply(this, args)
      copied += count
      return count
    }
    try {
      run()
    } finally {
      Buffer.prototype.copy = copy
    }
    return copied
  }
  const size = 8 * 1024 * 1024
  const chunked = (bytes: Buffer) =>
    Array.from({ length: Math.ceil(bytes.length / 65_536) }, (_, i) =>
      bytes.subarray(i * 65_536, (i + 1) * 65_536),
    )

  it('is copied a bounded number of times, however many chunks it comes in', () => {
    const chunks = chunked(frame(Buffer.alloc(size)))
    assert.ok(copiedBytes(() => framesOf(chunks, 1 << 30)) < 4 * size)
    const packed = chunked(Buffer.from(new Packr().pack(Buffer.alloc(size))))
    assert.ok(copiedBytes(() => valuesOf(packed, 1 << 30)) < 4 * size)
  })
})

describe('the first bytes of a connection', () => {
  it('tell its protocol', () => {
    const step = Buffer.from(
      '9400cd02f3ab706c7567696e2e537465709182a444617461a93132372e302e302e31a74576656e74496400',
      'hex',
    )
    assert.equal(detect(step), 'MsgPack:1')
    assert.equal(detect(step.subarray(0, 10)), undefined)
    assert.equal(detect(Buffer.from('0e000000a2020a08', 'hex')), 'ProtoBuf:1')
    // A StartInstance of 148 bytes begins with MsgPack's byte.
    assert.equal(
      detect(Buffer.concat([Buffer.of(0x94, 0, 0, 0, 0x8a, 0x02), Buffer.alloc(40, 0x20)])),
      'ProtoBuf:1',
    )
  })
})
