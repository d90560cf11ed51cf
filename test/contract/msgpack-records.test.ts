import assert from 'node:assert/strict'
import { Packr, Unpackr } from 'msgpackr'
import {
  createMsgpackCodec,
  MsgpackConnection,
  MsgpackEvents,
} from '../../plugin-server/transport/msgpack-connection.ts'
import type { EventListener, Exchange, ReplySink } from '../../protocol/calls.ts'
import { phasesOf } from '../../protocol/pdk/table.ts'
import { type MsgpackRecord, msgpackCalls, msgpackRecords } from './pdk-records.ts'

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true })
const packr = new Packr({ useRecords: false })
/** Not offered: they work in the body filter only. `get_inexistent` is no method of Kong's. */
const NOT_OFFERED = [
  'kong.response.get_raw_body',
  'kong.response.set_raw_body',
  'kong.request.get_inexistent',
]

const messageOf = (record: MsgpackRecord) =>
  unpackr.unpack(Buffer.from(record.hex!, 'hex')) as [0, number, string, [{ EventId: number }]]
const eventIdOf = (record: MsgpackRecord) => messageOf(record)[3][0].EventId

/** Runs an event that makes the recorded call, and feeds Kong's recorded answer to it. */
function replay(record: MsgpackRecord): { sent: unknown[]; reply: unknown; ended: boolean } {
  const message = messageOf(record)
  const written: Buffer[] = []
  const result: { sent: unknown[]; reply: unknown; ended: boolean } = {
    sent: [],
    reply: 'none',
    ended: false,
  }
  const handler = {
    draining: false,
    pluginNames: () => [],
    pluginInfo: () => undefined,
    startInstance: () => Promise.reject(new Error('not here')),
    instanceStatus: () => undefined,
    closeInstance: () => undefined,
    handleEvent(_instanceId: number, phase: string, exchange: Exchange): EventListener {
      assert.equal(phase, record.phase)
      const sink: ReplySink = {
        reply(value) {
          result.reply = value
          exchange.end()
        },
      }
      exchange.call(record.method, record.args, sink)
      exchange.flush()
      return { abandoned: () => {} }
    },
  }
  const connection = () =>
    new MsgpackConnection(
      {
        write: bytes => written.push(bytes) === 0,
        writeAll: chunks => written.push(Buffer.concat(chunks)),
        destroy: () => assert.fail('destroyed'),
        end: () => assert.fail('ended'),
        closeIfWritten: () => assert.fail('closed'),
      },
      handler,
      { events, codec: createMsgpackCodec(), maxMessageBytes: 1 << 20 },
    )
  const events = new MsgpackEvents(message[3][0].EventId)
  connection().push(packr.pack([0, 7, 'plugin.HandleEvent', [{ InstanceId: 1, EventName: record.phase }]]))
  result.sent = written.map(bytes => unpackr.unpack(bytes) as unknown)
  // Kong answers on another connection.
  connection().push(Buffer.from(record.hex!, 'hex'))
  const last = unpackr.unpack(written.at(-1)!) as [1, number, null, { Data: unknown }]
  assert.equal(last[1], message[1], 'answers with the id of the message')
  result.ended = last[3].Data === 'ret' && events.size === 0
  return result
}

/** The recorder wrote bytes as base64. */
const withBytes = (data: unknown): unknown =>
  typeof data === 'object' && data !== null && 'bytes' in data
    ? Buffer.from(String(data.bytes), 'base64')
    : data

describe('the calls of MsgPack:1 that were recorded from Kong', () => {
  it('are read as they were decoded', () => {
    for (const { rpc, hex, decoded } of msgpackCalls) {
      const [type, , method, args] = unpackr.unpack(Buffer.from(hex, 'hex')) as unknown[]
      assert.deepEqual([type, method, args], [0, rpc, decoded])
    }
  })

  it('are the same in each phase', () => {
    const calledIn = (phase: string) =>
      new Set(msgpackRecords.filter(record => record.phase === phase).map(record => record.method))
    assert.deepEqual(calledIn('access'), calledIn('log'))
  })

  for (const record of msgpackRecords) {
    const { phase, method, step } = record
    if (record.hex)
      it(`${method} in ${phase}: Kong's answer by ${step} reaches the caller, and the event ends`, () => {
        const { sent, reply, ended } = replay(record)
        assert.deepEqual(sent, [
          [
            1,
            7,
            null,
            {
              EventId: eventIdOf(record),
              Data: { Method: method, Args: record.args },
            },
          ],
        ])
        assert.deepEqual(reply, record.hasData ? withBytes(record.data) : undefined)
        assert.ok(ended)
      })

    it(`${method} is ${step === null ? 'refused' : 'allowed'} in ${phase}`, () => {
      if (NOT_OFFERED.includes(method)) return assert.deepEqual(phasesOf(method), [])
      const allowed =
        method === 'kong.response.exit' || method === 'kong.response.error'
          ? phase === 'access'
          : step !== null
      assert.equal(phasesOf(method).includes(phase), allowed)
    })
  }
})
