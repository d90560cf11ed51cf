import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { Connection } from '../../../plugin-server/transport/connection.ts'
import { ProtobufConnection } from '../../../plugin-server/transport/protobuf-connection.ts'
import type { CallHandler, Exchange } from '../../../protocol/calls.ts'
import { writeRpcCall } from '../../../protocol/rpc.ts'
import { WireWriter } from '../../../protocol/wire.ts'
import { recordLogs } from '../../support/logs.ts'
import { partial } from '../../support/partial.ts'

function handleEvent(): Buffer {
  const writer = new WireWriter()
  const mark = writer.openFrame()
  writeRpcCall(writer, { kind: 'handle_event', sequence: 1, instanceId: 1, phase: 'access' })
  writer.closeFrame(mark)
  return writer.take()
}

/** Answers an event at once with what is said. */
const answering = (say: (exchange: Exchange) => void): CallHandler =>
  partial<CallHandler>({
    handleEvent: (_id: number, _phase: string, exchange: Exchange) => {
      say(exchange)
      exchange.end()
      return { abandoned: () => {} }
    },
  })

const exit =
  (body: string) =>
  (exchange: Exchange): void =>
    exchange.call('kong.response.exit', [429, body, {}])

describe('a connection of ProtoBuf:1 whose peer does not read', () => {
  it('keeps what was written for it as it is, while others are answered', () => {
    const held: Buffer[] = []
    const link = {
      write: (bytes: Buffer) => held.push(bytes) === 0,
      writeAll: () => assert.fail('long'),
      destroy: () => assert.fail('destroyed'),
      end: () => assert.fail('ended'),
      closeIfWritten: () => {},
    }
    const bodies = ['first', 'second', 'third'].map(word => word.repeat(1000))
    for (const body of bodies)
      new ProtobufConnection(link, answering(exit(body)), 1 << 20).push(handleEvent())
    assert.deepEqual(
      held.map(bytes => bodies.filter(body => bytes.includes(body))),
      bodies.map(body => [body]),
    )
  })
})

describe('a connection of ProtoBuf:1 on which a request was ended by an exit', () => {
  function closedBehind(say: (exchange: Exchange) => void): boolean {
    const done: string[] = []
    const link = {
      write: () => done.push('write') > 0,
      writeAll: () => done.push('write'),
      destroy: () => assert.fail('destroyed'),
      end: () => assert.fail('ended'),
      closeIfWritten: () => done.push('close'),
    }
    new ProtobufConnection(link, answering(say), 1 << 20).push(handleEvent())
    assert.equal(done[0], 'write')
    return done.length === 2 && done[1] === 'close'
  }

  it('is closed behind the exit, which Kong reads and nothing after it', () => {
    assert.equal(closedBehind(exit('no')), true)
  })

  it('is left to Kong to close where Kong has a reply to write before it reads the exit', () => {
    const say = (exchange: Exchange) => {
      exchange.call('kong.response.set_header', ['x-a', 'b'])
      exit('no')(exchange)
    }
    assert.equal(closedBehind(say), false)
  })

  it('stays for an event that ends without one', () => {
    assert.equal(
      closedBehind(exchange => exchange.call('kong.response.set_header', ['x-a', 'b'])),
      false,
    )
  })

  for (const [what, body] of [
    ['short', 'no'],
    ['long', 'x'.repeat(4_000_000)],
  ] as const)
    it(`brings Kong the whole of a ${what} answer`, async () => {
      const { logger: log } = recordLogs()
      const parts = {
        handler: answering(exit(body)),
        log,
        maxFrameBytes: 1 << 20,
        buffer: Buffer.alloc(1 << 16),
        msgpack: undefined,
      }
      let gone = () => {}
      const closed = new Promise<void>(resolve => {
        gone = resolve
      })
      const server = createServer(socket => void new Connection(socket, parts, gone))
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      try {
        const kong = connect((server.address() as AddressInfo).port, '127.0.0.1')
        kong.write(handleEvent())
        let got = 0
        for await (const chunk of kong) {
          got += (chunk as Buffer).length
          // As Kong does when it has read the exit.
          if (got > body.length) break
        }
        assert.ok(got > body.length)
        await closed
      } finally {
        server.close()
      }
    })
})
