import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import path from 'node:path'
import type { ExternalPlugin } from '../../../../kong/gateway/plugin-client/external-plugin.ts'
import { PluginServers } from '../../../../kong/gateway/plugin-client/plugin-servers.ts'
import type { Exchange } from '../../../../kong/gateway/proxy/exchange.ts'
import { logEntry } from '../../../../kong/gateway/proxy/log-entry.ts'
import type { PluginConfiguration } from '../../../../kong/gateway/proxy/plugin.ts'
import type { AccessKong, LogKong } from '../../../../sdk/sdk.ts'
import { definePlugin, Type } from '../../../../sdk/sdk.ts'
import { makeFolder } from '../../../support/folder.ts'
import { configured, createExchange, createPdkHost, exitOf } from '../../../support/gateway-exchange.ts'
import { silentLog, startPluginServer } from '../../../support/plugin-server.ts'

const PROTOCOLS = ['ProtoBuf:1', 'MsgPack:1'] as const
type Protocol = (typeof PROTOCOLS)[number]

const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

interface Client {
  access(exchange: Exchange, configuration: PluginConfiguration): Promise<void>
  log(exchange: Exchange, configuration: PluginConfiguration): Promise<void>
}

function clientOf(plugin: ExternalPlugin): Client {
  const run = (phase: 'access' | 'log') => async (exchange: Exchange, configuration: PluginConfiguration) =>
    plugin.configure(configuration)[phase]?.(exchange)
  return { access: run('access'), log: run('log') }
}

async function connectTo(
  socket: string,
  protocol: Protocol,
  options: { readonly patienceMs?: number; readonly workers?: string } = {},
): Promise<Client> {
  const dump = {
    Protocol: protocol,
    Plugins: [{ Name: 'probe', Version: '1.0', Priority: 5, Phases: ['access', 'log'], Schema: {} }],
  }
  const servers = await PluginServers.query({
    environment: {
      KONG_PLUGINSERVER_NAMES: 'probe',
      KONG_NGINX_WORKER_PROCESSES: options.workers,
      KONG_PLUGINSERVER_PROBE_SOCKET: socket,
      KONG_PLUGINSERVER_PROBE_QUERY_CMD: `printf '%s' '${JSON.stringify(dump)}'`,
    },
    host: createPdkHost(),
    log: silentLog,
    ...(options.patienceMs !== undefined && { patienceMs: options.patienceMs }),
  })
  closing.push(() => servers.close())
  return clientOf(servers.plugins[0]!)
}

interface Handlers {
  readonly access?: (kong: AccessKong, instance: { readonly config: { readonly word?: string } }) => unknown
  readonly log?: (kong: LogKong) => unknown
}

/** Sluice's plugin server with these handlers, and the gateway's side of it. */
async function bench(protocol: Protocol, handlers: Handlers): Promise<Client> {
  const server = await startPluginServer(
    definePlugin({
      name: 'probe',
      version: '1.0.0',
      priority: 5,
      config: Type.Object({ word: Type.Optional(Type.String()) }),
      phases: handlers as never,
    }),
  )
  closing.push(() => server.close())
  return connectTo(server.socket, protocol)
}

for (const protocol of PROTOCOLS) {
  describe(`a plugin server that speaks ${protocol}`, () => {
    it('reads and changes a request in the access phase', async () => {
      const handler = await bench(protocol, {
        access: async (kong, { config }) => {
          const [consumer, header, body] = await Promise.all([
            kong.client.getConsumer(),
            kong.request.getHeader('x-multi'),
            kong.request.getRawBody(),
          ])
          kong.service.request.setHeader('x-seen', [consumer!.username!, header!, String(body), config.word!])
          kong.response.setHeader('x-answer', 'yes')
        },
      })
      const exchange = createExchange()
      await handler.access(exchange, configured(1, { word: 'hello', unset: null }))
      assert.deepEqual(exchange.headers.toRecord()['x-seen'], ['eddie', '1', 'body', 'hello'])
      assert.equal(exchange.responseHeaders.get('x-answer'), 'yes')
      assert.equal(exchange.exited, false)
    })

    it('ends requests, one after the other and many at once', async () => {
      const handler = await bench(protocol, {
        access: async kong => {
          const method = await kong.request.getMethod()
          return kong.response.exit(429, method, { 'retry-after': '1' })
        },
      })
      const exchanges = Array.from({ length: 40 }, () => createExchange())
      for (const exchange of exchanges.slice(0, 10)) await handler.access(exchange, configured(1))
      await Promise.all(exchanges.slice(10).map(exchange => handler.access(exchange, configured(1))))
      for (const exchange of exchanges)
        assert.deepEqual(exitOf(exchange), { status: 429, body: 'POST', headers: { 'retry-after': '1' } })
    })

    it('learns of the whole request in the log phase', async () => {
      let seen: unknown
      const handler = await bench(protocol, {
        log: async kong => {
          seen = [await kong.response.getStatus(), await kong.log.serialize()]
        },
      })
      const exchange = createExchange({ answered: true })
      exchange.serializeValues.push({ key: 'sluice', value: 'x' })
      const running = handler.log(exchange, configured(1))
      exchange.serializeValues.push({ key: 'late', value: 'y' })
      await running
      assert.deepEqual(seen, [
        200,
        JSON.parse(JSON.stringify(logEntry(exchange, [{ key: 'sluice', value: 'x' }]))),
      ])
    })

    it('gets a new instance for every sequence, though the configuration is the same', async () => {
      const words: (string | undefined)[] = []
      const handler = await bench(protocol, {
        access: (_, { config }) => {
          words.push(config.word)
        },
      })
      await handler.access(createExchange(), configured(1, { word: 'one' }))
      await handler.access(createExchange(), configured(2, { word: 'two' }))
      assert.deepEqual(words, ['one', 'two'])
    })

    it('is asked again, with a new instance, when it was replaced by another', async () => {
      const first = await startPluginServer(
        definePlugin({
          name: 'probe',
          version: '1.0.0',
          priority: 5,
          config: Type.Object({}),
          phases: { access: kong => kong.response.exit(401) },
        }),
      )
      closing.push(() => first.close())
      const handler = await connectTo(first.socket, protocol)
      const before = createExchange()
      await handler.access(before, configured(1))
      void first.runtime.drain()
      const during = createExchange()
      const running = handler.access(during, configured(1))
      // A draining server refuses events until the successor has the path; here it is gone instead.
      await first.close()
      closing.pop()
      await running.catch(() => {})
      assert.equal(before.exit?.status, 401)
      assert.equal(during.exit?.status === 401, false)
    })
  })
}

/** A plugin server that is ill in some way. */
async function illServer(answer: (socket: Socket, chunk: Buffer, calls: number) => void): Promise<string> {
  const folder = makeFolder()
  const sockets = new Set<Socket>()
  let calls = 0
  const server: Server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', chunk => answer(socket, chunk, ++calls))
  })
  const socketPath = path.join(folder.path, 'ill.sock')
  await new Promise<void>(resolve => server.listen(socketPath, resolve))
  closing.push(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise(resolve => server.close(resolve))
    folder.remove()
  })
  return socketPath
}

const frame = (bytes: Buffer) => {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(bytes.length)
  return Buffer.concat([length, bytes])
}
/** The answer to a StartInstance: instance 9. */
const started = (sequence: number) => frame(Buffer.of(0x08, sequence, 0x8a, 0x02, 0x02, 0x10, 9))

describe("a body above nginx's buffer", () => {
  it('comes as a file over ProtoBuf:1, which is gone after the event', async () => {
    let seen: number | undefined
    const handler = await bench('ProtoBuf:1', {
      access: async kong => {
        seen = (await kong.request.getRawBody())?.length
      },
    })
    const folder = makeFolder()
    closing.push(() => folder.remove())
    const outer = process.env.TMPDIR
    process.env.TMPDIR = folder.path
    const exchange = createExchange({ body: Buffer.alloc(100_000, 'x') })
    await handler.access(exchange, configured(1))
    assert.equal(seen, 100_000)
    if (outer === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = outer
    while (readdirSync(folder.path).some(name => name.startsWith('sluice-body-')))
      await new Promise(setImmediate)
  })

  it('is a failure of the plugin over MsgPack:1', async () => {
    const handler = await bench('MsgPack:1', { access: kong => kong.request.getRawBody() })
    const exchange = createExchange({ body: Buffer.alloc(100_000, 'x') })
    await assert.rejects(handler.access(exchange, configured(1)), /client_body_buffer_size/)
  })
})

describe('a plugin server that fails', () => {
  for (const protocol of PROTOCOLS)
    it(`because it is not there is a failure of the plugin in ${protocol}`, async () => {
      const handler = await connectTo('/nonexistent/plugin.sock', protocol)
      await assert.rejects(handler.access(createExchange(), configured(1)), {
        message: 'no such file or directory',
      })
    })

  it('by closing an event is asked to start the instance again, and then for the same event (ProtoBuf:1)', async () => {
    const asked: string[] = []
    const socket = await illServer((connection, chunk, calls) => {
      const sequence = chunk.at(-1)!
      asked.push(chunk.includes('access') ? 'event' : 'start')
      if (!chunk.includes('access')) connection.write(started(sequence))
      else if (calls < 4) connection.destroy()
      else connection.write(Buffer.concat([frame(Buffer.alloc(0)), frame(Buffer.of(0x08, sequence))]))
    })
    const handler = await connectTo(socket, 'ProtoBuf:1')
    const exchange = createExchange()
    await handler.access(exchange, configured(1))
    assert.deepEqual(asked, ['start', 'event', 'start', 'event'])
    assert.equal(exchange.exited, false)
  })

  it('by a method that Kong does not know costs the request (ProtoBuf:1)', async () => {
    const socket = await illServer((connection, chunk) => {
      if (!chunk.includes('access')) connection.write(started(chunk.at(-1)!))
      else connection.write(Buffer.concat([frame(Buffer.from('kong.no.such')), frame(Buffer.alloc(0))]))
    })
    const handler = await connectTo(socket, 'ProtoBuf:1')
    const exchange = createExchange()
    await handler.access(exchange, configured(1))
    assert.equal(exchange.exit?.status, 500)
  })

  it('by a call that the phase does not allow is a failure of the plugin, on a closed connection', async () => {
    let closed = 0
    const socket = await illServer((connection, chunk) => {
      connection.once('close', () => closed++)
      if (!chunk.includes('access')) connection.write(started(chunk.at(-1)!))
      else connection.write(Buffer.concat([frame(Buffer.from('kong.log.serialize')), frame(Buffer.alloc(0))]))
    })
    const handler = await connectTo(socket, 'ProtoBuf:1')
    await assert.rejects(handler.access(createExchange(), configured(1)), /access phase/)
    while (closed === 0) await new Promise(setImmediate)
  })

  it('by an error answer lets the request pass (MsgPack:1)', async () => {
    const socket = await illServer((connection, chunk) => {
      // [1, id, nil, {Id: 3}] and [1, id, "broken", nil]; ids stay below 128 here.
      const id = chunk[2]!
      connection.write(
        chunk.includes('StartInstance')
          ? Buffer.of(0x94, 1, id, 0xc0, 0x81, 0xa2, 0x49, 0x64, 3)
          : Buffer.concat([Buffer.of(0x94, 1, id, 0xa6), Buffer.from('broken'), Buffer.of(0xc0)]),
      )
    })
    const handler = await connectTo(socket, 'MsgPack:1')
    const exchange = createExchange()
    await handler.access(exchange, configured(1))
    assert.equal(exchange.exited, false)
  })

  it('to know the instance gets it again, and the event (MsgPack:1)', async () => {
    const asked: string[] = []
    const socket = await illServer((connection, chunk, calls) => {
      const id = chunk[2]!
      const start = chunk.includes('StartInstance')
      asked.push(start ? 'start' : 'event')
      if (start) connection.write(Buffer.of(0x94, 1, id, 0xc0, 0x81, 0xa2, 0x49, 0x64, 3))
      else if (calls < 4)
        connection.write(
          Buffer.concat([Buffer.of(0x94, 1, id, 0xb4), Buffer.from('No plugin instance 3'), Buffer.of(0xc0)]),
        )
      else
        connection.write(
          Buffer.concat([
            Buffer.of(0x94, 1, id, 0xc0, 0x81, 0xa4),
            Buffer.from('Data'),
            Buffer.from('\xa3ret', 'latin1'),
          ]),
        )
    })
    const handler = await connectTo(socket, 'MsgPack:1')
    await handler.access(createExchange(), configured(1))
    assert.deepEqual(asked, ['start', 'event', 'start', 'event'])
  })

  it('by never answering costs the request (ProtoBuf:1)', async () => {
    const socket = await illServer((connection, chunk) => {
      if (!chunk.includes('access')) connection.write(started(chunk.at(-1)!))
    })
    const handler = await connectTo(socket, 'ProtoBuf:1', { patienceMs: 50 })
    const exchange = createExchange()
    await handler.access(exchange, configured(1))
    assert.equal(exchange.exit?.status, 500)
  })

  it('by never answering lets the request pass (MsgPack:1)', async () => {
    const socket = await illServer((connection, chunk) => {
      if (chunk.includes('StartInstance'))
        connection.write(Buffer.of(0x94, 1, chunk[2]!, 0xc0, 0x81, 0xa2, 0x49, 0x64, 3))
    })
    const handler = await connectTo(socket, 'MsgPack:1', { patienceMs: 50 })
    const exchange = createExchange()
    await handler.access(exchange, configured(1))
    assert.equal(exchange.exited, false)
  })
})

describe('two workers', () => {
  it('have instances of their own, with sequences of their own', async () => {
    const configs: { __seq__: number; __plugin_id: string; __key__: string; word: string }[] = []
    const socket = await illServer((connection, chunk) => {
      const sequence = chunk.at(-1)!
      if (!chunk.includes('access')) {
        const json = /\{.*\}/.exec(chunk.toString())![0]
        configs.push(JSON.parse(json))
        connection.write(started(sequence))
      } else connection.write(Buffer.concat([frame(Buffer.alloc(0)), frame(Buffer.of(0x08, sequence))]))
    })
    const handler = await connectTo(socket, 'ProtoBuf:1', { workers: '2' })
    for (const clientPort of [40_000, 40_001, 40_002, 40_003])
      await handler.access(createExchange({ clientPort }), configured(3, { word: 'w' }))
    assert.deepEqual(
      configs.map(({ __seq__, word }) => [__seq__, word]),
      [
        [5, 'w'],
        [6, 'w'],
      ],
    )
    assert.equal(configs[0]!.__plugin_id, configs[1]!.__plugin_id)
    assert.equal(configs[0]!.__key__, configs[1]!.__key__)
  })
})
