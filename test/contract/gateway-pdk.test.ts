/** What the local gateway answers to PDK calls, beside what a real Kong 3.9.3 answered to the same calls. */
import assert from 'node:assert/strict'
import { Unpackr } from 'msgpackr'
import type { PdkEvent } from '../../kong/gateway/pdk/call.ts'
import { answerCall, ENDING_METHODS, PDK_METHODS } from '../../kong/gateway/pdk/pdk.ts'
import { stepOf } from '../../kong/gateway/plugin-client/msgpack-steps.ts'
import { pack } from '../../kong/gateway/plugin-client/pack.ts'
import { readArguments, signatureOf, writeReply } from '../../kong/gateway/plugin-client/replies.ts'
import { logEntry } from '../../kong/gateway/proxy/log-entry.ts'
import { WireReader, WireWriter } from '../../protocol/wire.ts'
import type { Phase } from '../../sdk/sdk.ts'
import { createExchange, createPdkHost, exitOf, PLUGIN } from '../support/gateway-exchange.ts'
import { type MsgpackRecord, msgpackRecords, type ProtobufRecord, protobufRecords } from './pdk-records.ts'

const host = createPdkHost()

function eventOf(phase: Phase, method: string): PdkEvent {
  const exchange = createExchange({ answered: phase === 'log' })
  exchange.headers.set('x-probe', method)
  exchange.headers.set('x-phase', phase)
  return {
    phase: phase as 'access' | 'log',
    exchange,
    plugin: { name: 'probe', id: PLUGIN.id },
    ...(phase === 'log' && { entry: () => logEntry(exchange) }),
  }
}

/** Facts of the machine that was recorded, or of the moment. */
const OF_THE_MOMENT = new Set([
  'kong.node.get_memory_stats',
  'kong.nginx.get_statistics',
  'kong.node.get_id',
  'kong.client.get_port',
  'kong.client.get_forwarded_port',
  'kong.request.get_start_time',
  'kong.nginx.req_start_time',
  'kong.log.serialize',
  'kong.response.get_headers',
])

/** Bytes of a message do not depend on the order of a Lua table then. */
const sorted = (hex: string) => [...Buffer.from(hex, 'hex')].sort((a, b) => a - b)

describe("the gateway's answers in ProtoBuf:1", () => {
  for (const record of protobufRecords) {
    const { phase, method, argHex, reply } = record
    const answered = reply !== 'connection closed by Kong without a reply'
    const answer = async (): Promise<string> => {
      const signature = signatureOf(method)!
      // The arguments that were recorded in the log phase hold other bytes (see protobuf-records.test.ts).
      const good = protobufRecords.find(
        one => one.method === method && one.phase === 'access',
      ) as ProtobufRecord
      const args = readArguments(signature, new WireReader(Buffer.from(good.argHex, 'hex')))
      const value = await answerCall(PDK_METHODS.get(method)!, eventOf(phase, method), host, args)
      const writer = new WireWriter()
      writeReply(writer, signature, value)
      return writer.take().toString('hex')
    }

    if (ENDING_METHODS.has(method) && phase === 'access')
      it(`${method} in ${phase} ends the request`, async () => {
        const event = eventOf(phase, method)
        const args = readArguments(signatureOf(method)!, new WireReader(Buffer.from(argHex, 'hex')))
        await answerCall(PDK_METHODS.get(method)!, event, host, args)
        assert.deepEqual(exitOf(event.exchange), {
          status: 418,
          body: '{"stop":true}',
          headers: { 'x-exit': '1', 'content-type': 'application/json' },
        })
      })
    else if (!answered)
      it(`${method} in ${phase} raises, as in Kong`, async () => {
        await assert.rejects(answer, /in (access|log) phase|ngx\.timer/)
      })
    else
      it(`${method} in ${phase} has Kong's bytes`, async () => {
        const bytes = await answer()
        if (OF_THE_MOMENT.has(method)) assert.notEqual(bytes, '')
        else if (phase === 'access') assert.deepEqual(sorted(bytes), sorted(record.replyHex!))
      })
  }
})

describe("the gateway's answers in MsgPack:1", () => {
  const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true })

  for (const record of msgpackRecords) {
    const { phase, method, args, step } = record
    const answer = (event: PdkEvent) => stepOf({ name: method, args }, event, host, () => {})

    if (ENDING_METHODS.has(method) && phase === 'access')
      it(`${method} in ${phase} ends the request`, async () => {
        const event = eventOf(phase, method)
        assert.equal(await answer(event), undefined)
        const exit = exitOf(event.exchange)
        assert.equal(exit?.headers['x-exit'], '1')
        assert.equal(exit?.status, args[0])
      })
    else if (step === null)
      it(`${method} in ${phase} is never answered`, async () => {
        await assert.rejects(answer(eventOf(phase, method)), /in (access|log) phase|ngx\.timer/)
      })
    else if (isOrdinary(record))
      it(`${method} in ${phase} has Kong's step, and its data byte for byte`, async () => {
        const { step: name, data } = (await answer(eventOf(phase, method)))!
        assert.equal(`plugin.${name}`, step)
        if (OF_THE_MOMENT.has(method)) {
          assert.notEqual(data, undefined)
          return
        }
        const [, id, , [{ EventId }]] = unpackr.unpack(Buffer.from(record.hex!, 'hex')) as [
          0,
          number,
          string,
          [{ EventId: number }],
        ]
        const bytes = pack([0, id, step, [{ EventId, Data: data }]])
        assert.deepEqual(sorted(bytes.toString('hex').replace(/^94/, '94')), sorted(record.hex!))
      })
  }
})

/** The recorder left out the bytes of a secret, and made some calls twice with other requests. */
function isOrdinary({ hex, method, phase, args }: MsgpackRecord): boolean {
  if (hex === undefined) return false
  const first = msgpackRecords.find(one => one.method === method && one.phase === phase)
  return first?.hex === hex && first.args === args
}
