import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePorts } from '../../ops/local/ports.ts'
import { makeFolder } from '../support/folder.ts'
import { until } from '../support/until.ts'

const SLUICE = fileURLToPath(new URL('../../cli/sluice.js', import.meta.url))

/** A plugin that answers every request by itself, with a word and its configuration. */
const pluginSaying = (word: string, config: object) => `
export const plugin = {
  name: 'says', version: '1.0.0', priority: 1,
  config: { type: 'object', properties: ${JSON.stringify(config)} },
  phases: { access(kong, { config }) { kong.response.exit(200, ${JSON.stringify(word)} + JSON.stringify(config)) } },
}`

describe('sluice gateway --watch', function () {
  this.timeout(30_000)
  const folder = makeFolder()
  const plugins = path.join(folder.path, 'plugins')
  const declaration = path.join(folder.path, 'kong.json')
  let child: ChildProcess
  let output = ''
  let proxy: string

  const write = (text: string) => writeFileSync(path.join(plugins, 'says.mjs'), text)
  const ask = async () => {
    try {
      return await (await fetch(proxy, { headers: { connection: 'close' } })).text()
    } catch {
      return 'no answer'
    }
  }
  const answerThat = async (wanted: (answer: string) => boolean) => {
    let answer = ''
    await until(async () => {
      answer = await ask()
      return wanted(answer)
    })
    return answer
  }

  before(async () => {
    mkdirSync(plugins)
    write(pluginSaying('one', {}))
    writeFileSync(
      declaration,
      JSON.stringify({
        _format_version: '3.0',
        services: [
          { name: 's', url: 'http://127.0.0.1:1', routes: [{ paths: ['/'] }], plugins: [{ name: 'says' }] },
        ],
      }),
    )
    const [port = 0] = await freePorts(1)
    proxy = `http://127.0.0.1:${port}/`
    child = spawn(process.execPath, [SLUICE, 'gateway', '--watch', plugins], {
      env: {
        PATH: process.env.PATH,
        KONG_DATABASE: 'off',
        KONG_DECLARATIVE_CONFIG: declaration,
        KONG_PROXY_LISTEN: `127.0.0.1:${port}`,
        KONG_ADMIN_LISTEN: 'off',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const collect = (chunk: Buffer) => {
      output += chunk
    }
    child.stdout?.on('data', collect)
    child.stderr?.on('data', collect)
  })
  after(async () => {
    child.kill('SIGTERM')
    await new Promise(resolve => child.once('exit', resolve))
    folder.remove()
  })

  it('names a folder without plugins, and what to do, once', () => {
    const { status, stderr } = spawnSync(process.execPath, [SLUICE, 'gateway', '--watch', 'none'], {
      cwd: folder.path,
      env: { PATH: process.env.PATH },
      encoding: 'utf8',
    })
    assert.equal(status, 1)
    assert.match(stderr, /^sluice: .*none.*/m)
    assert.equal(stderr.split('SLUICE_PLUGIN_LOAD').length, 2, stderr)
  })

  const environmentIn = (temporary: string, proxyAddress: string) => ({
    PATH: process.env.PATH,
    TMPDIR: temporary,
    KONG_PROXY_LISTEN: proxyAddress,
    KONG_ADMIN_LISTEN: 'off',
  })

  it('leaves nothing behind when it is ended while it starts', async () => {
    const temporary = path.join(folder.path, 'ended')
    mkdirSync(temporary)
    const starting = spawn(process.execPath, [SLUICE, 'gateway', '--watch', plugins], {
      env: environmentIn(temporary, '127.0.0.1:0'),
      stdio: 'ignore',
    })
    const ended = once(starting, 'exit')
    await until(() => readdirSync(temporary).length > 0 || starting.exitCode !== null)
    starting.kill('SIGTERM')
    assert.deepEqual(await ended, [0, null])
    assert.deepEqual(readdirSync(temporary), [])
  })

  it('names a port that is in use, and leaves nothing behind', async () => {
    const temporary = path.join(folder.path, 'in-use')
    mkdirSync(temporary)
    const holder = createServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    const address = `127.0.0.1:${(holder.address() as AddressInfo).port}`
    const { status, stderr } = spawnSync(process.execPath, [SLUICE, 'gateway', '--watch', plugins], {
      env: environmentIn(temporary, address),
      encoding: 'utf8',
    })
    holder.close()
    assert.equal(status, 1)
    assert.match(stderr, new RegExp(`^sluice: ${address} is in use\n  SLUICE_PORT_IN_USE`, 'm'))
    assert.deepEqual(readdirSync(temporary), [])
  })

  it('serves a changed plugin, and its changed schema', async () => {
    assert.equal(await answerThat(answer => answer.startsWith('one')), 'one{}')
    write(pluginSaying('two', {}))
    assert.equal(await answerThat(answer => answer.startsWith('two')), 'two{}')
    write(pluginSaying('three', { size: { type: 'integer', default: 7 } }))
    assert.equal(await answerThat(answer => answer.includes('size')), 'three{"size":7}')
  })

  it('keeps the old plugins while the new ones are broken, and says why', async () => {
    write('this is not JavaScript')
    await until(() => output.includes('the old ones are still served'))
    assert.match(output, /says\.mjs/)
    assert.equal(await answerThat(answer => answer !== 'no answer'), 'three{"size":7}')
  })
})
