import assert from 'node:assert/strict'
import { METHODS, phasesOf } from '../../protocol/pdk/table.ts'
import { readRpcCall, writeRpcCall } from '../../protocol/rpc.ts'
import { TYPES } from '../../protocol/types.ts'
import { WireReader, WireWriter } from '../../protocol/wire.ts'
import {
  argumentsOf,
  type ProtobufRecord,
  protobufCalls,
  protobufRecords,
  unwrap,
  unwrapFields,
} from './pdk-records.ts'

/**
 * In the log phase the recorder kept views of a buffer that was reused, so the hex of those lines holds other bytes;
 * their decoded fields are right. A line is of use byte for byte where its hex decodes to them.
 */
const bytesAreGood = (record: ProtobufRecord) => record.phase === 'access'

const encode = (type: keyof typeof TYPES, args: readonly unknown[]): string => {
  const writer = new WireWriter(1)
  TYPES[type].write(writer, args)
  return writer.take().toString('hex')
}
const decode = (type: keyof typeof TYPES, hex: string): unknown[] =>
  TYPES[type].read(new WireReader(Buffer.from(hex, 'hex')))

/** The recorded reply in the form of the codec: 64-bit integers are numbers, bytes are buffers. */
function expected({ method, reply }: ProtobufRecord): unknown {
  const fields = reply as Readonly<Record<string, unknown>>
  switch (METHODS[method]![1]) {
    case 'Empty':
      return undefined
    case 'Value':
      return Object.keys(fields).length === 0 ? null : unwrap(fields)
    case 'Struct':
      return unwrapFields(fields)
    case 'String':
      return fields.v ?? ''
    case 'Int':
    case 'Number':
      return fields.v ?? 0
    case 'Bool':
      return fields.v ?? false
    default:
      return fields
  }
}

/** What the codec gave, without its empty lists and in the recorder's notation. */
function plain(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString('base64')
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => !(Array.isArray(item) && item.length === 0) && item !== false)
      .map(([name, item]) => [name, plain(item)]),
  )
}
const numbersAsText = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value ?? null), (_, item) => (typeof item === 'number' ? String(item) : item))

describe('the calls of ProtoBuf:1 that were recorded from Kong', () => {
  it('are read and written byte for byte', () => {
    assert.equal(protobufCalls.length, 12)
    for (const { rpc, frameHex } of protobufCalls) {
      const call = readRpcCall(new WireReader(Buffer.from(frameHex, 'hex')))
      assert.equal(String(call.sequence), rpc.sequence)
      const writer = new WireWriter()
      writeRpcCall(writer, call)
      // Kong's encoder does not order the fields of StartInstance.
      if (call.kind === 'handle_event') assert.equal(writer.take().toString('hex'), frameHex)
      else assert.deepEqual(readRpcCall(new WireReader(writer.take())), call)
    }
  })
})

describe('the PDK calls of ProtoBuf:1 that were recorded from Kong', () => {
  it('are all 74, in both phases', () => {
    for (const phase of ['access', 'log'] as const)
      assert.equal(
        new Set(protobufRecords.filter(r => r.phase === phase).map(r => r.method)).size,
        phase === 'log' ? 74 : 74,
      )
    assert.equal(Object.values(METHODS).filter(signature => signature !== null).length, 74)
  })

  for (const record of protobufRecords) {
    const { phase, method, argHex, replyHex } = record
    const [input, output] = METHODS[method]!
    const answered = record.reply !== 'connection closed by Kong without a reply'

    it(`${method} in ${phase}: arguments and reply`, () => {
      const args = argumentsOf(record)
      if (bytesAreGood(record)) {
        assert.equal(encode(input, args), argHex)
        if (answered)
          assert.deepEqual(
            numbersAsText(plain(decode(output, replyHex!)[0])),
            numbersAsText(expected(record)),
          )
      }
      if (answered) {
        // What Kong said is also what our side of Kong would say.
        const reply = expected(record)
        if (typeof reply === 'object' && reply !== null && output !== 'Struct') return
        assert.deepEqual(decode(output, encode(output, [reply]))[0] ?? undefined, reply ?? undefined)
      }
    })

    it(`${method} is ${answered || method === 'kong.response.exit' ? 'allowed' : 'refused'} in ${phase}`, () => {
      // An exit is never answered: in access that is its purpose, in log it raised.
      const allowed = method === 'kong.response.exit' ? phase === 'access' : answered
      assert.equal(phasesOf(method).includes(phase), allowed)
    })
  }
})
