import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePorts } from '../../ops/local/ports.ts'
import { makeFolder } from '../support/folder.ts'
import { createKongWorker, type KongWorker } from '../support/kong-worker.ts'
import { START_MS, sharedRedis } from '../support/services.ts'

const PROGRAM = new URL('../../cli/sluice.js', import.meta.url).pathname

describe('sluice serve --workers', function () {
  this.timeout(60_000)
  const folder = makeFolder()
  const socket = path.join(folder.path, 's.sock')
  const plugins = path.join(folder.path, 'plugins')
  let server: ChildProcess
  let http: number
  let output = ''

  /** Appears whole: the server may look at any moment. */
  const writePlugin = (answer: string) => {
    const beside = path.join(folder.path, 'beside')
    writeFileSync(
      beside,
      `export const plugin = {
        name: 'changing', version: '1.0.0', priority: 1,
        config: { type: 'object', properties: { label: { type: 'string' } } },
        phases: {
          async access(kong, { config }) {
            await kong.client.getConsumer()
            kong.response.setHeader('x-answer', '${answer} ' + process.pid + ' ' + config.label)
          },
        },
      }`,
    )
    renameSync(beside, path.join(plugins, 'changing.mjs'))
  }

  before(async function () {
    this.timeout(START_MS)
    mkdirSync(plugins)
    writePlugin('one')
    ;[http = 0] = await freePorts(1)
    server = spawn(process.execPath, [PROGRAM, 'serve', '--workers', '2', '--plugins', plugins], {
      env: {
        PATH: process.env.PATH,
        SLUICE_SOCKET: socket,
        SLUICE_SPOOL_DIR: path.join(folder.path, 'spool'),
        SLUICE_REDIS_URL: (await sharedRedis()).url,
        SLUICE_REDIS_DEADLINE_MS: '1000',
        SLUICE_HTTP: `127.0.0.1:${http}`,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    server.stdout!.setEncoding('utf8').on('data', text => {
      output += text
    })
    while (!output.includes('"msg":"serving"')) {
      assert.equal(server.exitCode, null, output)
      await pause(10)
    }
  })
  after(async () => {
    if (server.exitCode === null && server.signalCode === null) {
      server.kill('SIGTERM')
      await once(server, 'exit')
    }
    folder.remove()
  })

  const isReady = () =>
    fetch(`http://127.0.0.1:${http}/readyz`).then(
      answer => answer.ok,
      () => false,
    )

  it('serves a changed plugin after SIGHUP in every worker, without a failed request', async () => {
    const connectedTo = (label: string) =>
      createKongWorker('ProtoBuf:1', socket, 'changing', { label, __plugin_id: label })
    const workers = ['a', 'b'].map(label => ({ label, worker: connectedTo(label) }))
    /** By the answer's word, the processes that gave it. */
    const served = new Map<string, Set<string>>()
    let requests = 0
    let stopped = false
    const askOnce = async (worker: KongWorker, label: string) => {
      const { outcome, calls } = await worker.event('access', () => ({ id: 'c', username: 'eddie' }))
      assert.equal(outcome, 'ended')
      const { 'x-answer': answer } = calls.at(-1)!.args[0] as Record<string, string>
      const [word, pid, judgedBy] = answer!.split(' ') as [string, string, string]
      assert.equal(judgedBy, label, 'judged by the configuration of another')
      served.set(word, (served.get(word) ?? new Set()).add(pid))
      requests++
    }
    const load = Promise.all(
      workers.flatMap(({ label, worker }) =>
        Array.from({ length: 8 }, async () => {
          while (!stopped) {
            await askOnce(worker, label)
            await pause(1)
          }
        }),
      ),
    )
    const servesOn = async (done: () => boolean | Promise<boolean>) => {
      while (!(await done())) {
        assert.equal(server.exitCode, null, output)
        await Promise.race([load, pause(10)])
      }
    }
    /** Where all connections that last are one worker's, new ones will find the other. */
    const bothServe = (word: string) => async () => {
      if (!served.has(word)) return false
      const fresh = connectedTo('a')
      await askOnce(fresh, 'a')
      fresh.close()
      return served.get(word)!.size === 2
    }
    await servesOn(bothServe('one'))
    for (const word of ['two', 'three']) {
      writePlugin(word)
      server.kill('SIGHUP')
      await servesOn(bothServe(word))
      // The port is the successor's.
      await servesOn(isReady)
    }
    const before = requests
    await servesOn(() => requests > before + 100)
    stopped = true
    await load
    for (const { worker } of workers) {
      assert.ok(worker.repeats > 0)
      worker.close()
    }
    assert.deepEqual([...served.keys()], ['one', 'two', 'three'])
    const pids = [...served.values()].flatMap(found => [...found])
    assert.equal(new Set(pids).size, 6, 'two workers of each server')
    // Its predecessors are gone, with their workers.
    await servesOn(() => pids.slice(0, 4).every(pid => !existsSync(`/proc/${pid}`)))
    await servesOn(isReady)
    server.kill('SIGTERM')
    assert.deepEqual(await once(server, 'exit'), [0, null])
    assert.equal(existsSync(socket), false)
  })
})
