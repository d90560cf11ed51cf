/**
 * Records what a real Kong answers to PDK calls in the response phase, into protobuf.jsonl and msgpack.jsonl beside
 * this file:
 *
 *   node dist/test/contract/kong-response/record.js SOCKET_FOLDER
 *
 * That Kong runs without a database, listens on 127.0.0.1:28010 (proxy) and 127.0.0.1:28011 (admin), and has the
 * settings that `responseSettings(SOCKET_FOLDER)` gives. The calls and their arguments are those that were recorded
 * in the access phase, and so is the request.
 */
import { writeFileSync } from 'node:fs'
import { createServer, request as httpRequest } from 'node:http'
import { createServer as createNetServer, type Socket } from 'node:net'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Packr, Unpackr } from 'msgpackr'
import { FrameSplitter } from '../../../protocol/frames.ts'
import { MsgpackStream } from '../../../protocol/msgpack-stream.ts'
import { rowOf } from '../../../protocol/pdk/table.ts'
import { readRpcCall, writeRpcReturn } from '../../../protocol/rpc.ts'
import { TYPES } from '../../../protocol/types.ts'
import { WireReader, WireWriter } from '../../../protocol/wire.ts'
import { type MsgpackRecord, msgpackRecords, type ProtobufRecord, protobufRecords } from '../pdk-records.ts'
import { RESPONSE_UPSTREAM, responseConfiguration } from './setup.ts'

const UPSTREAM_PORT = 19_000
const PROXY = { host: '127.0.0.1', port: 28_010 }

/** What one event does: sends these bytes as a call, and keeps what came back. */
interface Probe<Call, Reply> {
  call: Call | undefined
  reply: Reply | undefined
}

type ProtobufProbe = Probe<ProtobufRecord, Buffer>
interface Step {
  readonly name: string
  readonly hex: string
  readonly data: unknown
  readonly hasData: boolean
}
type MsgpackProbe = Probe<MsgpackRecord, Step>

function listen(socketPath: string, serve: (socket: Socket) => void): Promise<() => void> {
  const sockets = new Set<Socket>()
  const server = createNetServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    serve(socket)
  })
  return new Promise(resolve =>
    server.listen(socketPath, () =>
      resolve(() => {
        for (const socket of sockets) socket.destroy()
        server.close()
      }),
    ),
  )
}

const startProtobuf = (socketPath: string, probe: ProtobufProbe) =>
  listen(socketPath, socket => {
    const splitter = new FrameSplitter(1 << 24)
    let sequence: number | undefined
    const send = (write: (writer: WireWriter) => void) => {
      const writer = new WireWriter()
      const mark = writer.openFrame()
      write(writer)
      writer.closeFrame(mark)
      socket.write(writer.take())
    }
    const answer = (status: { name: string; id: number; startedAt: number } | undefined, of: number) =>
      send(writer => writeRpcReturn(writer, { sequence: of, ...(status && { status }) }))
    const take = (bytes: Buffer) => {
      if (sequence !== undefined) {
        probe.reply = bytes
        const ended = sequence
        sequence = undefined
        send(() => {})
        answer(undefined, ended)
        return
      }
      const call = readRpcCall(new WireReader(bytes))
      if (call.kind !== 'handle_event') answer({ name: 'probe', id: 7, startedAt: 1 }, call.sequence)
      else if (call.phase !== 'response' || !probe.call) {
        send(() => {})
        answer(undefined, call.sequence)
      } else {
        sequence = call.sequence
        const { method, argHex } = probe.call
        send(writer => writer.text(method))
        send(writer => writer.raw(Buffer.from(argHex, 'hex')))
      }
    }
    socket.on('data', chunk =>
      splitter.push(chunk, (bytes, start, end) => {
        take(Buffer.from(bytes.subarray(start, end)))
        return true
      }),
    )
  })

const startMsgpack = (socketPath: string, probe: MsgpackProbe) =>
  listen(socketPath, socket => {
    const stream = new MsgpackStream(1 << 24)
    const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' })
    const packr = new Packr({ useRecords: false, variableMapSize: true })
    const answer = (id: number, result: unknown) => socket.write(packr.pack([1, id, null, result]))
    const take = (bytes: Buffer) => {
      const [, id, name, args] = unpackr.unpack(bytes) as [0, number, string, readonly unknown[]]
      if (name === 'plugin.StartInstance') answer(id, { Id: 7, Name: 'probe' })
      else if (name === 'plugin.HandleEvent') {
        const { EventName: phase } = args[0] as { EventName: string }
        const { method, args: given } = probe.call ?? {}
        answer(
          id,
          phase === 'response' && method
            ? { EventId: 1, Data: { Method: method, Args: given } }
            : { EventId: 1, Data: 'ret' },
        )
      } else if (name.startsWith('plugin.Step')) {
        const step = args[0] as { Data?: unknown }
        probe.reply = { name, hex: bytes.toString('hex'), data: step.Data, hasData: 'Data' in step }
        answer(id, { EventId: 1, Data: 'ret' })
      } else answer(id, null)
    }
    socket.on('data', chunk =>
      stream.push(chunk, bytes => {
        take(Buffer.from(bytes))
        return true
      }),
    )
  })

function ask(method: string): Promise<number | string> {
  return new Promise(resolve => {
    const request = httpRequest(
      {
        ...PROXY,
        method: 'POST',
        path: '/pr/sub?a=1&a=2&b',
        headers: [
          ...['Host', `${PROXY.host}:${PROXY.port}`, 'Connection', 'close', 'Content-Type', 'text/plain'],
          ...['Content-Length', '4', 'X-Multi', '1', 'X-Multi', '2', 'apikey', 'ek'],
          ...['X-Probe', method, 'X-Phase', 'response'],
        ] as never,
        agent: false,
      },
      response => {
        response.resume()
        response.on('close', () => resolve(response.statusCode ?? 0))
      },
    )
    request.setTimeout(3_000, () => request.destroy(new Error('no answer')))
    request.on('error', error => resolve(error.message))
    request.end('body')
  })
}

const [folder] = process.argv.slice(2) as [string]
const protobuf: ProtobufProbe = { call: undefined, reply: undefined }
const msgpack: MsgpackProbe = { call: undefined, reply: undefined }
const closers = [
  await startProtobuf(path.join(folder, 'pb.sock'), protobuf),
  await startMsgpack(path.join(folder, 'mp.sock'), msgpack),
]
const upstream = createServer((request, response) => {
  request.resume()
  request.on('end', () => {
    response.writeHead(RESPONSE_UPSTREAM.status, [...RESPONSE_UPSTREAM.headers])
    response.end(RESPONSE_UPSTREAM.body)
  })
})
await new Promise<void>(resolve => upstream.listen(UPSTREAM_PORT, '127.0.0.1', resolve))
async function load(plugin: string): Promise<void> {
  const loaded = await fetch('http://127.0.0.1:28011/config', {
    method: 'POST',
    body: JSON.stringify(responseConfiguration(UPSTREAM_PORT, plugin)),
    headers: { 'content-type': 'application/json' },
  })
  if (!loaded.ok) throw new Error(await loaded.text())
  await loaded.arrayBuffer()
  await pause(2_000)
}

/** The environment of the recording machine is nobody's business. */
const SECRET = new Set(['kong.vault.get'])

const file = (name: string) =>
  path.resolve(import.meta.dirname, `../../../../test/contract/kong-response/${name}`)
const lines: string[] = []
await load('probe')
for (const record of protobufRecords.filter(one => one.phase === 'access')) {
  Object.assign(protobuf, { call: record, reply: undefined })
  const status = await ask(record.method)
  const { method, args, argHex } = record
  const bytes = protobuf.reply as Buffer | undefined
  const reply = bytes && TYPES[rowOf(method)?.wire?.[1] ?? 'Empty'].read(new WireReader(bytes))[0]
  lines.push(
    JSON.stringify({
      ...{ phase: 'response', method, args, argHex, replyHex: bytes?.toString('hex') ?? null },
      ...{ reply: reply ?? null, status },
    }),
  )
}
writeFileSync(file('protobuf.jsonl'), `${lines.join('\n')}\n`)
lines.length = 0
await load('probe-mp')
for (const record of msgpackRecords.filter(one => one.phase === 'access')) {
  Object.assign(msgpack, { call: record, reply: undefined })
  const status = await ask(record.method)
  const { method, args } = record
  const step = msgpack.reply as Step | undefined
  lines.push(
    JSON.stringify({
      ...{ phase: 'response', method, args, step: step?.name ?? null },
      ...(SECRET.has(method) ? {} : { hex: step?.hex, hasData: step?.hasData, data: step?.data }),
      status,
    }),
  )
}
writeFileSync(file('msgpack.jsonl'), `${lines.join('\n')}\n`)
for (const close of closers) close()
upstream.closeAllConnections()
upstream.close()
