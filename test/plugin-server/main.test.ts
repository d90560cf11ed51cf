import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createLogger } from '../../foundation/log.ts'
import { readSettings } from '../../foundation/settings.ts'
import { type Server, startServer } from '../../plugin-server/main.ts'
import { definePlugin, Type } from '../../sdk/sdk.ts'
import { connectMsgpack, connectProtobuf, type KongConnection, type PdkCall } from '../support/fake-kong.ts'

const greeter = definePlugin({
  name: 'greeter',
  version: '1.0.0',
  priority: 10,
  config: Type.Object({
    greeting: Type.String({ default: 'hello' }),
    on_error: Type.Optional(Type.String()),
  }),
  phases: {
    async access(kong, { config }) {
      const consumer = await kong.client.getConsumer()
      kong.response.setHeader('x-greeting', `${config.greeting} ${consumer?.username ?? 'nobody'}`)
      kong.response.setHeaders({ 'x-two': 2 })
      if (config.greeting === 'go away') kong.response.exit(403, 'no', { 'X-Two': '3' })
      if (config.greeting === 'fail') throw new Error('on purpose')
    },
  },
})

const folder = mkdtempSync(path.join(tmpdir(), 'sluice-main-'))
const eddie = { id: 'c-1', username: 'eddie' }
const knowsEddie = ({ method }: PdkCall) => (method === 'kong.client.get_consumer' ? eddie : undefined)
const speakers: [string, (path: string) => Promise<KongConnection>][] = [
  ['ProtoBuf:1', connectProtobuf],
  ['MsgPack:1', connectMsgpack],
]

describe('the plugin server', () => {
  let server: Server
  const socket = path.join(folder, 'run', 'sluice.sock')

  before(async () => {
    const settings = readSettings({
      SLUICE_SOCKET: socket,
      SLUICE_SPOOL_DIR: path.join(folder, 'spool'),
      SLUICE_HTTP: '127.0.0.1:0',
    })
    server = await startServer(settings, { plugins: [greeter], log: createLogger('silent') })
  })
  after(async () => {
    await server.close()
    rmSync(folder, { recursive: true })
  })

  for (const [protocol, connect] of speakers)
    describe(`over ${protocol}`, () => {
      let kong: KongConnection
      beforeEach(async () => {
        kong = await connect(socket)
      })
      afterEach(() => kong.close())

      it('runs a phase with the defaults of its configuration, and gathers its header writes', async () => {
        const id = await kong.startInstance('greeter', { __plugin_id: 'p', __seq__: 1 })
        const { outcome, calls } = await kong.event(id, 'access', knowsEddie)
        assert.equal(outcome, 'ended')
        assert.deepEqual(calls, [
          { method: 'kong.client.get_consumer', args: [] },
          { method: 'kong.response.set_headers', args: [{ 'x-greeting': 'hello eddie', 'x-two': '2' }] },
        ])
      })

      it('sends the headers that were set with the exit', async () => {
        const id = await kong.startInstance('greeter', { __plugin_id: 'q', greeting: 'go away' })
        const { outcome, exit } = await kong.event(id, 'access', knowsEddie)
        assert.equal(outcome, 'exited')
        assert.equal(exit?.[0], 403)
        assert.equal(String(exit?.[1]), 'no')
        assert.deepEqual(exit?.[2], { 'x-greeting': 'go away eddie', 'X-Two': '3' })
      })

      it('answers 503 for a phase that fails, unless its policy is open', async () => {
        const closed = await kong.startInstance('greeter', { __plugin_id: 'r', greeting: 'fail' })
        const open = await kong.startInstance('greeter', {
          __plugin_id: 'r',
          greeting: 'fail',
          on_error: 'open',
        })
        const passed = await kong.event(open, 'access', knowsEddie)
        assert.equal(passed.outcome, 'ended')
        assert.deepEqual(
          passed.calls.map(({ method }) => method),
          // Over MsgPack the id for the log would cost a round trip.
          ['kong.client.get_consumer', ...(protocol === 'ProtoBuf:1' ? ['kong.nginx.get_var'] : [])],
        )
        const { exit } = await kong.event(closed, 'access', knowsEddie)
        assert.equal(exit?.[0], 503)
        assert.equal(JSON.parse(String(exit?.[1])).status, 503)
      })

      it('lets Kong start the instance again when it does not know it', async () => {
        const { outcome, error } = await kong.event(7, 'access')
        if (protocol === 'ProtoBuf:1') assert.equal(outcome, 'closed')
        else assert.match(error!, /no plugin instance/)
      })

      it('ends an event of a phase that Kong does not have, and nothing runs', async () => {
        const id = await kong.startInstance('greeter', { __plugin_id: 'p' })
        for (const phase of ['constructor', '__proto__', 'toString', 'acxess', ''])
          assert.deepEqual(await kong.event(id, phase), { calls: [], outcome: 'ended' }, phase)
      })

      it('refuses a wrong configuration', async () => {
        const refused = kong.startInstance('greeter', { __plugin_id: 's', greeting: 5 })
        await assert.rejects(
          refused,
          protocol === 'ProtoBuf:1' ? /closed/ : /config\.greeting must be a string/,
        )
      })
    })

  it('shares an instance between workers, whatever their sequence, but not between configurations', async () => {
    const kong = await connectProtobuf(socket)
    const first = await kong.startInstance('greeter', { __plugin_id: 'p', __seq__: 1, greeting: 'a' })
    const second = await kong.startInstance('greeter', { greeting: 'a', __seq__: 2, __plugin_id: 'p' })
    const other = await kong.startInstance('greeter', { __plugin_id: 'p', __seq__: 1, greeting: 'b' })
    assert.equal(second, first)
    assert.notEqual(other, first)
    kong.close()
  })

  it('tells its health and its metrics', async () => {
    const kong = await connectProtobuf(socket)
    await kong.event(await kong.startInstance('greeter', { greeting: 'go away' }), 'access')
    kong.close()
    const ready = await fetch(`http://127.0.0.1:${server.httpPort}/readyz`)
    assert.deepEqual([ready.status, await ready.json()], [200, { status: 'ready', problems: [] }])
    const metrics = await (await fetch(`http://127.0.0.1:${server.httpPort}/metrics`)).text()
    assert.match(metrics, /sluice_events_total\{plugin="greeter",phase="access",outcome="exit"\} 1/)
  })

  it('says which instances it has refused, and is ready all the same', async () => {
    for (const name of ['greeter', 'nobody']) {
      const kong = await connectMsgpack(socket)
      await assert.rejects(kong.startInstance(name, { __plugin_id: 'refused', greeting: 7 }))
      kong.close()
    }
    const ready = await fetch(`http://127.0.0.1:${server.httpPort}/readyz`)
    assert.equal(ready.status, 200)
    const { problems } = (await ready.json()) as { problems: string[] }
    assert.match(problems.join('\n'), /an instance of greeter was refused \d+ s ago.*greeting/)
    const metrics = await (await fetch(`http://127.0.0.1:${server.httpPort}/metrics`)).text()
    assert.match(metrics, /sluice_instances_refused_total\{plugin="greeter"\} 1/)
    assert.match(metrics, /sluice_instances_refused_total\{plugin="unknown"\} 1/)
  })

  it('does not take the socket of a live server, unless it is told to', async () => {
    const settings = readSettings({
      SLUICE_SOCKET: socket,
      SLUICE_HTTP: 'off',
      SLUICE_SPOOL_DIR: path.join(folder, 'two'),
    })
    await assert.rejects(startServer(settings, { plugins: [greeter], log: createLogger('silent') }), {
      code: 'SLUICE_SOCKET_IN_USE',
    })
  })
})
