/** What the local gateway answers to PDK calls in the response phase, beside what a real Kong 3.9.3 answered. */
import assert from 'node:assert/strict'
import { Unpackr } from 'msgpackr'
import type { PdkEvent } from '../../kong/gateway/pdk/call.ts'
import { answerCall, ENDING_METHODS, PDK_METHODS } from '../../kong/gateway/pdk/pdk.ts'
import { stepOf } from '../../kong/gateway/plugin-client/msgpack-steps.ts'
import { pack } from '../../kong/gateway/plugin-client/pack.ts'
import { readArguments, signatureOf, writeReply } from '../../kong/gateway/plugin-client/replies.ts'
import { HeaderMap } from '../../kong/gateway/proxy/header-map.ts'
import { replaceUpstreamHead } from '../../kong/gateway/proxy/response-head.ts'
import { WireReader, WireWriter } from '../../protocol/wire.ts'
import { createExchange, createPdkHost, PLUGIN } from '../support/gateway-exchange.ts'
import { RESPONSE_UPSTREAM } from './kong-response/setup.ts'
import { responseMsgpackRecords, responseProtobufRecords } from './pdk-records.ts'

// A Kong without a database, as it was recorded, has no cluster.
const host = { ...createPdkHost(), clusterId: undefined }

function eventOf(method: string, updatedAt: number, workspaceId?: string): PdkEvent {
  const exchange = createExchange({ answered: true, updatedAt, ...(workspaceId && { workspaceId }) })
  exchange.headers.set('x-probe', method)
  exchange.headers.set('x-phase', 'response')
  const { status, headers, body } = RESPONSE_UPSTREAM
  exchange.responseHeaders.delete('content-type')
  exchange.buffered = { status, headers: HeaderMap.fromRaw(headers), body: Buffer.from(body) }
  replaceUpstreamHead(exchange, exchange.buffered)
  return { phase: 'response', exchange, plugin: { name: 'probe', id: PLUGIN.id } }
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
  'kong.vault.get',
  // The date is in it.
  'kong.response.get_headers',
])

/** Bytes of a message do not depend on the order of a Lua table then. */
const sorted = (hex: string) => [...Buffer.from(hex, 'hex')].sort((a, b) => a - b)

describe("the gateway's answers in the response phase, in ProtoBuf:1", () => {
  const service = responseProtobufRecords.find(({ method }) => method === 'kong.router.get_service')
  const updatedAt = (service?.reply as { updatedAt: number } | undefined)?.updatedAt ?? 0

  for (const { method, argHex, replyHex } of responseProtobufRecords) {
    const answer = async (event: PdkEvent): Promise<string> => {
      const signature = signatureOf(method)!
      const args = readArguments(signature, new WireReader(Buffer.from(argHex, 'hex')))
      const value = await answerCall(PDK_METHODS.get(method)!, event, host, args)
      const writer = new WireWriter()
      writeReply(writer, signature, value)
      return writer.take().toString('hex')
    }
    if (ENDING_METHODS.has(method))
      it(`${method} ends the request`, async () => {
        const event = eventOf(method, updatedAt)
        await answer(event)
        assert.equal(event.exchange.exit?.status, 418)
      })
    else if (replyHex === null)
      it(`${method} raises, as in Kong`, async () => {
        await assert.rejects(answer(eventOf(method, updatedAt)), /in response phase|max_headers must be >= 1/)
      })
    else
      it(`${method} has Kong's bytes`, async () => {
        const bytes = await answer(eventOf(method, updatedAt))
        if (OF_THE_MOMENT.has(method)) assert.notEqual(bytes, '')
        else assert.deepEqual(sorted(bytes), sorted(replyHex))
      })
  }
})

describe("the gateway's answers in the response phase, in MsgPack:1", () => {
  const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true })
  const service = responseMsgpackRecords.find(({ method }) => method === 'kong.router.get_service')
  const { updated_at, ws_id } = (service?.data ?? {}) as { updated_at: number; ws_id: string }
  const event = (method: string) => eventOf(method, updated_at, ws_id)

  for (const { method, args, step, hex } of responseMsgpackRecords) {
    const answer = (event: PdkEvent) => stepOf({ name: method, args }, event, host, () => {})
    if (ENDING_METHODS.has(method))
      it(`${method} ends the request`, async () => {
        const ended = event(method)
        assert.equal(await answer(ended), undefined)
        assert.equal(ended.exchange.exit?.status, args[0])
      })
    else if (step === null)
      it(`${method} is never answered`, async () => {
        await assert.rejects(answer(event(method)), /in response phase|\(only in: none\)/)
      })
    else
      it(`${method} has Kong's step, and its data byte for byte`, async () => {
        const { step: name, data } = (await answer(event(method)))!
        assert.equal(`plugin.${name}`, step)
        if (OF_THE_MOMENT.has(method) || hex === undefined) assert.notEqual(data, undefined)
        else {
          const [, id] = unpackr.unpack(Buffer.from(hex, 'hex')) as [0, number]
          assert.deepEqual(
            sorted(pack([0, id, step, [{ EventId: 1, Data: data }]]).toString('hex')),
            sorted(hex),
          )
        }
      })
  }
})
