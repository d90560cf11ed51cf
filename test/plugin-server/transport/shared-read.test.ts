import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import path from 'node:path'
import { buffer as whole } from 'node:stream/consumers'
import { listen } from '../../../plugin-server/transport/listener.ts'
import { type Handle, readInto, takeHandles } from '../../../plugin-server/transport/shared-read.ts'
import { makeFolder } from '../../support/folder.ts'

/** How a server comes by its connections, and what it is given then. */
const WAYS: Readonly<
  Record<
    string,
    { readonly given: string; serve(server: Server, accept: (one: Socket | Handle) => void): void }
  >
> = {
  'before Node makes a socket of it': {
    given: 'Pipe',
    serve: (server, accept) => {
      takeHandles(server, accept)
      server.on('connection', () => assert.fail('Node made a socket'))
    },
  },
  'out of the socket that Node made': {
    given: 'Socket',
    serve: (server, accept) => server.on('connection', accept),
  },
  'as a stream, where its handle is not to be had': {
    given: 'Socket',
    serve: (server, accept) => {
      const { _handle: listening } = server as unknown as { _handle: { onconnection: unknown } }
      const { onconnection } = listening
      // A Node that does neither show the handles nor read them into a given buffer.
      listening.onconnection = undefined
      takeHandles(server, accept)
      listening.onconnection = onconnection
      server.on('connection', socket => {
        const { _handle: handle } = socket as unknown as { _handle: object }
        Object.defineProperty(handle, 'useUserBuffer', { value: undefined })
        accept(socket)
      })
    },
  },
}

describe('an accepted connection', () => {
  const folder = makeFolder()
  after(() => folder.remove())

  for (const [index, [name, { given, serve }]] of Object.entries(WAYS).entries())
    describe(`taken ${name}`, () => {
      const file = path.join(folder.path, `${index}.sock`)
      const buffer = Buffer.alloc(4096)
      const server = createServer()
      let accepted: Socket | Handle
      let socket: Socket

      before(async () => {
        await once(server.listen(file), 'listening')
        serve(server, one => {
          accepted = one
          // What has been taken is answered from a copy: the buffer is overwritten by the next chunk.
          socket = readInto(buffer, one, chunk => socket.write(Buffer.from(chunk)))
          socket.on('error', () => {})
        })
      })
      after(() => server.close())

      it('is read and answered in order, however much comes', async () => {
        const sent = randomBytes(1_000_000)
        const client = connect(file)
        client.write(sent)
        const back: Buffer[] = []
        let count = 0
        for await (const chunk of client as AsyncIterable<Buffer>) {
          back.push(chunk)
          count += chunk.length
          if (count >= sent.length) break
        }
        assert.equal(accepted.constructor.name, given)
        assert.ok(Buffer.concat(back).equals(sent))
      })

      it('tells when its peer has left', async () => {
        const client = connect(file)
        client.write('x')
        await once(client, 'data')
        const ended = once(socket, 'end')
        client.destroy()
        await ended
        socket.destroy()
        await once(socket, 'close')
      })

      it('tells its peer when it is left', async () => {
        const client = connect(file)
        client.write('x')
        await once(client, 'data')
        const rest = whole(client)
        socket.end('last words')
        assert.equal(String(await rest), 'last words')
      })
    })

  it('comes to the one way or the other of a listener, whichever Node allows', async () => {
    const file = path.join(folder.path, 'both.sock')
    const ways: string[] = []
    const readable = Object.getPrototypeOf(Object.getPrototypeOf(await pipeOf(folder.path)))
    const { useUserBuffer } = readable
    const take = (way: string) => (one: Socket | Handle) => {
      ways.push(way)
      const socket: Socket = readInto(Buffer.alloc(10), one, chunk => socket.end(Buffer.from(chunk)))
    }
    const listener = await listen({
      path: file,
      group: undefined,
      takeOver: false,
      accept: take('socket'),
      acceptHandle: take('handle'),
    })
    const ask = async () => String(await whole(connect(file).end('ping')))
    try {
      assert.equal(await ask(), 'ping')
      delete readable.useUserBuffer
      assert.equal(await ask(), 'ping')
    } finally {
      readable.useUserBuffer = useUserBuffer
      listener.close()
    }
    assert.deepEqual(ways, ['handle', 'socket'])
  })
})

/** A connection's handle, whose prototypes all others share. */
async function pipeOf(folder: string): Promise<object> {
  const server = createServer().listen(path.join(folder, 'any.sock'))
  await once(server, 'listening')
  const client = connect(path.join(folder, 'any.sock'))
  await once(client, 'connect')
  const { _handle: handle } = client as unknown as { _handle: object }
  client.destroy()
  server.close()
  return handle
}
