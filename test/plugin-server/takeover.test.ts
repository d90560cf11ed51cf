import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createLogger } from '../../foundation/log.ts'
import { readSettings } from '../../foundation/settings.ts'
import { type Server, startServer } from '../../plugin-server/main.ts'
import { definePlugin, Type } from '../../sdk/sdk.ts'
import { createKongWorker } from '../support/kong-worker.ts'

/** A plugin that says which server it runs in, and with which configuration. */
const version = (server: number) =>
  definePlugin({
    name: 'version',
    version: '1.0.0',
    priority: 1,
    config: Type.Object({ label: Type.String() }),
    phases: {
      async access(kong, { config }) {
        await kong.client.getConsumer()
        kong.response.setHeader('x-served-by', `${server} ${config.label}`)
      },
    },
  })

const folder = mkdtempSync(path.join(tmpdir(), 'sluice-takeover-'))
const socket = path.join(folder, 'sluice.sock')
const servers: Server[] = []

async function serve(number: number, takeOver = true): Promise<Server> {
  const settings = readSettings({
    SLUICE_SOCKET: socket,
    SLUICE_HTTP: 'off',
    SLUICE_SPOOL_DIR: path.join(folder, `spool-${number}`),
  })
  const server = await startServer(settings, {
    plugins: [version(number)],
    log: createLogger('silent'),
    takeOver,
  })
  servers.push(server)
  return server
}

describe('the socket', () => {
  afterEach(async () => {
    await Promise.all(servers.splice(0).map(server => server.close()))
  })
  after(() => rmSync(folder, { recursive: true }))

  it('is for its user and group only, and gone after the end', async () => {
    const server = await serve(1, false)
    assert.equal(statSync(socket).mode & 0o777, 0o660)
    await server.close()
    assert.equal(existsSync(socket), false)
  })

  it('of a dead server is replaced', async () => {
    const dead = createServer()
    await new Promise<void>(resolve => dead.listen(`${socket}.dead`, resolve))
    // The path of a killed server stays behind, and nobody listens: Node removes only the name that it bound.
    renameSync(`${socket}.dead`, socket)
    await new Promise(resolve => dead.close(resolve))
    assert.equal(statSync(socket).isSocket(), true)
    await serve(1, false)
  })

  it('stays with the successor when its predecessor ends', async () => {
    const first = await serve(1)
    await serve(2)
    await first.close()
    const worker = createKongWorker('ProtoBuf:1', socket, 'version', { label: 'a' })
    const { calls } = await worker.event('access')
    assert.deepEqual(calls.at(-1)?.args, [{ 'x-served-by': '2 a' }])
    worker.close()
  })

  for (const protocol of ['ProtoBuf:1', 'MsgPack:1'] as const)
    it(`passes from server to server under load without a failed request (${protocol})`, async () => {
      await serve(1)
      const workers = ['a', 'b'].map(label => ({
        label,
        worker: createKongWorker(protocol, socket, 'version', { label, __plugin_id: label }),
      }))
      const served = new Map<string, number>()
      let newest = 1
      let stopped = false
      const load = workers.flatMap(({ label, worker }) =>
        Array.from({ length: 8 }, async () => {
          while (!stopped) {
            const { calls } = await worker.event('access', () => ({ id: 'c', username: 'eddie' }))
            const by = String(Object.values(calls.at(-1)!.args[0] as object)[0])
            assert.ok(by.endsWith(` ${label}`), `judged by the configuration of ${label}, not ${by}`)
            served.set(by, (served.get(by) ?? 0) + 1)
          }
        }),
      )
      const failed = Promise.all(load)
      /** Until the newest server has served both. */
      const pass = async () => {
        while (workers.some(({ label }) => (served.get(`${newest} ${label}`) ?? 0) < 50))
          await Promise.race([failed, new Promise(resolve => setTimeout(resolve, 5))])
      }
      while (newest < 5) {
        await pass()
        await serve(newest + 1)
        newest++
      }
      await pass()
      stopped = true
      await failed
      for (const { worker } of workers) worker.close()
      for (let number = 1; number <= newest; number++)
        for (const { label } of workers)
          assert.ok(served.get(`${number} ${label}`)! > 0, `server ${number} served ${label}`)
      assert.ok(workers.every(({ worker }) => worker.repeats > 0))
      // The old servers go by themselves once Kong has no connection to them.
      await Promise.all(servers.slice(0, -1).map(server => server.ended))
    })
})
