import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { type Link, ProtobufConnection } from '../../../plugin-server/transport/protobuf-connection.ts'
import type { CallHandler, Exchange } from '../../../protocol/calls.ts'
import { type RpcCall, writeRpcCall } from '../../../protocol/rpc.ts'
import { WireWriter } from '../../../protocol/wire.ts'
import { definePlugin, Type } from '../../../sdk/sdk.ts'
import { partial } from '../../support/partial.ts'
import { startPluginServer } from '../../support/plugin-server.ts'

const EVENT: RpcCall = { kind: 'handle_event', sequence: 7, instanceId: 1, phase: 'access' }

describe('a connection of ProtoBuf:1 in an event', () => {
  function setUp() {
    const link = { written: 0, closed: 0 }
    const told: string[] = []
    let exchange: Exchange | undefined
    let events = 0
    const handler = partial<CallHandler>({
      handleEvent: (_id: number, _phase: string, given: Exchange) => {
        exchange = given
        events++
        return { abandoned: (reason: string) => told.push(`abandoned: ${reason}`) }
      },
    })
    const connection = new ProtobufConnection(
      partial<Link>({
        write: (bytes: Buffer) => {
          link.written += bytes.length
          return true
        },
        destroy: () => link.closed++,
        closeIfWritten: () => link.closed++,
      }),
      handler,
      1 << 20,
    )
    const push = (call: RpcCall) => {
      const writer = new WireWriter()
      const mark = writer.openFrame()
      writeRpcCall(writer, call)
      writer.closeFrame(mark)
      connection.push(Buffer.from(writer.take()))
    }
    push(EVENT)
    assert.ok(exchange)
    const sink = {
      reply: (value: unknown) => told.push(`reply: ${value}`),
      lost: (reason: string) => told.push(`lost: ${reason}`),
    }
    return { connection, push, exchange, sink, told, link, events: () => events }
  }

  it('tells the event that Kong is gone, and each read whose answer will not come', () => {
    const { connection, exchange, sink, told, link } = setUp()
    exchange.call('kong.request.get_method', [], sink)
    exchange.flush()
    connection.closed()
    assert.deepEqual(told, ['abandoned: Kong closed the connection', 'lost: Kong closed the connection'])
    const { written } = link
    exchange.call('kong.request.get_method', [], sink)
    exchange.end()
    exchange.flush()
    assert.equal(link.written, written)
  })

  it('takes no call of Kong before it is over', () => {
    const { push } = setUp()
    assert.throws(() => push(EVENT), { code: 'SLUICE_PROTOCOL_FRAME' })
  })

  it('says nothing more once it is over', () => {
    const { exchange, link, sink, told } = setUp()
    exchange.end()
    const { written } = link
    exchange.call('kong.request.get_method', [], sink)
    exchange.flush()
    exchange.end()
    assert.deepEqual([link.written, told], [written, []])
  })

  it('has nothing of a call whose arguments cannot be written', () => {
    const [bad, good] = [setUp(), setUp()]
    const wrong = { toString: 1 } as never
    assert.throws(() => bad.exchange.call('kong.response.exit', [wrong, 'x', { a: Symbol('x') as never }]), {
      code: 'SLUICE_PDK_ARGUMENT',
    })
    for (const { exchange } of [bad, good]) exchange.end()
    assert.equal(bad.link.written, good.link.written)
  })

  it('is closed behind an exit, but not where Kong still has to answer', () => {
    const [alone, asked] = [setUp(), setUp()]
    asked.exchange.call('kong.request.get_method', [], asked.sink)
    for (const { exchange } of [alone, asked]) {
      exchange.call('kong.response.exit', [200, '', {}])
      exchange.end()
    }
    assert.deepEqual([alone.link.closed, asked.link.closed], [1, 0])
    // Where it could not be closed, Kong's next frame is a call, and no answer to the exit.
    assert.equal(alone.events(), 1)
    alone.push(EVENT)
    assert.equal(alone.events(), 2)
  })
})

describe('a connection of Kong', () => {
  const plugin = definePlugin({
    name: 'none',
    version: '1.0.0',
    priority: 1,
    config: Type.Object({}),
    phases: { access: () => {} },
  })

  it('is closed when it says what is no protocol, and when it is closed in one direction', async () => {
    const server = await startPluginServer(plugin)
    try {
      for (const say of [
        (socket: ReturnType<typeof connect>) => socket.write(Buffer.alloc(64, 0xff)),
        (socket: ReturnType<typeof connect>) => socket.end(),
      ]) {
        const socket = connect({ path: server.socket, allowHalfOpen: true })
        await once(socket, 'connect')
        say(socket)
        socket.resume()
        await once(socket, 'end')
        socket.destroy()
      }
    } finally {
      await server.close()
    }
  })
})
