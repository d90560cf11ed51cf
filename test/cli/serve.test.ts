import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createKongWorker } from '../support/kong-worker.ts'

const PROGRAM = new URL('../../cli/sluice.js', import.meta.url).pathname
const SDK = new URL('../../sdk/sdk.js', import.meta.url).href

interface Line {
  readonly msg: string
  readonly [field: string]: unknown
}

describe('sluice serve', () => {
  let folder: string
  let socket: string
  let plugins: string
  let http: number
  let server: ChildProcess
  let output = ''

  const lines = (): Line[] =>
    output
      .split('\n')
      .filter(line => line.startsWith('{'))
      .map(line => JSON.parse(line) as Line)
  const said = async (what: RegExp, times = 1): Promise<Line> => {
    for (;;) {
      const found = lines().filter(({ msg }) => what.test(msg))
      if (found.length >= times) return found.at(-1)!
      assert.equal(server.exitCode, null, output)
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
  /** Appears whole: the server may look at any moment. */
  const writePlugin = (answer: string, phase = 'access') => {
    const text = `import { definePlugin, Type } from '${SDK}'
      export const plugin = definePlugin({
        name: 'changing', version: '1.0.0', priority: 1, config: Type.Object({}),
        phases: { ${phase}(kong) { kong.response.setHeader('x-answer', '${answer}') } },
      })`
    writeFileSync(path.join(folder, 'beside'), text)
    renameSync(path.join(folder, 'beside'), path.join(plugins, 'changing.mjs'))
  }
  const freePort = async () => {
    const probe = createServer()
    await new Promise<void>(resolve => probe.listen(0, '127.0.0.1', resolve))
    const { port } = probe.address() as { port: number }
    await new Promise(resolve => probe.close(resolve))
    return port
  }

  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'sluice-serve-'))
    socket = path.join(folder, 'run', 's.sock')
    plugins = path.join(folder, 'plugins')
    mkdirSync(plugins)
    writePlugin('one')
    http = await freePort()
    output = ''
    server = spawn(process.execPath, [PROGRAM, 'serve', '--plugins', plugins], {
      env: {
        PATH: process.env.PATH,
        SLUICE_SOCKET: socket,
        SLUICE_SPOOL_DIR: path.join(folder, 'spool'),
        SLUICE_HTTP: `127.0.0.1:${http}`,
        SLUICE_FINGERPRINT_SECRET: 'a secret of this test only, long enough',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    server.stdout!.setEncoding('utf8').on('data', text => {
      output += text
    })
    await said(/^serving$/)
  })
  afterEach(async () => {
    if (server.exitCode === null && server.signalCode === null) {
      server.kill('SIGTERM')
      await once(server, 'exit')
    }
    rmSync(folder, { recursive: true, force: true })
  })

  it('makes the folder of its socket, and says so: its name may be a typing error', () => {
    const made = lines().find(({ msg }) => /^making the folder of the socket/.test(msg))
    assert.equal(made?.folder, path.dirname(socket))
  })

  it('ends on SIGTERM, and leaves nothing behind', async () => {
    server.kill('SIGTERM')
    assert.deepEqual(await once(server, 'exit'), [0, null])
    assert.equal(existsSync(socket), false)
  })

  it('serves a changed plugin after SIGHUP, without a failed request', async function () {
    this.timeout(60_000)
    const worker = createKongWorker('ProtoBuf:1', socket, 'changing', {})
    const answers = new Set<unknown>()
    let stopped = false
    const load = Promise.all(
      Array.from({ length: 4 }, async () => {
        while (!stopped) {
          const { calls } = await worker.event('access')
          answers.add((calls.at(-1)!.args[0] as Record<string, unknown>)['x-answer'])
          await new Promise(resolve => setTimeout(resolve, 1))
        }
      }),
    )
    for (const answer of ['one', 'two', 'three']) {
      if (answer !== 'one') {
        writePlugin(answer)
        server.kill('SIGHUP')
      }
      while (!answers.has(answer)) await Promise.race([load, new Promise(resolve => setTimeout(resolve, 10))])
    }
    stopped = true
    await load
    worker.close()
    assert.deepEqual([...answers], ['one', 'two', 'three'])
    assert.equal(
      lines().some(({ msg }) => /reload Kong/.test(msg)),
      false,
    )
    // The successor has the port of its predecessor.
    while (
      !(await fetch(`http://127.0.0.1:${http}/readyz`).then(
        r => r.ok,
        () => false,
      ))
    )
      await new Promise(resolve => setTimeout(resolve, 20))
    server.kill('SIGTERM')
    assert.deepEqual(await once(server, 'exit'), [0, null])
  })

  it('says that Kong must be reloaded when the changed plugin has another phase', async function () {
    this.timeout(60_000)
    writePlugin('one', 'rewrite')
    server.kill('SIGHUP')
    await said(/reload Kong/)
  })

  it('goes on with the old plugins when the new ones can not be served', async function () {
    this.timeout(60_000)
    rmSync(plugins, { recursive: true })
    server.kill('SIGHUP')
    await said(/still serving the old plugins/)
    const worker = createKongWorker('ProtoBuf:1', socket, 'changing', {})
    assert.equal((await worker.event('access')).outcome, 'ended')
    worker.close()
  })

  it('leaves no successor behind when its keeper is killed', async () => {
    server.kill('SIGHUP')
    const { pid } = await said(/^serving$/, 2)
    server.kill('SIGKILL')
    await once(server, 'exit')
    while (existsSync(socket)) await new Promise(resolve => setTimeout(resolve, 20))
    assert.notEqual(pid, server.pid)
  })

  it('goes on when a plugin throws where nobody listens', async () => {
    const text = readFileSync(path.join(plugins, 'changing.mjs'), 'utf8')
    writeFileSync(
      path.join(plugins, 'changing.mjs'),
      text.replace(
        'kong.response',
        `setTimeout(() => { throw new Error('late') }); void Promise.reject(new Error('unheard')); kong.response`,
      ),
    )
    server.kill('SIGHUP')
    await said(/^serving$/, 2)
    const worker = createKongWorker('ProtoBuf:1', socket, 'changing', {})
    await worker.event('access')
    await said(/uncaught exception/)
    await said(/unhandled rejection/)
    assert.equal((await worker.event('access')).outcome, 'ended')
    worker.close()
  })
})
