import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePorts } from '../../ops/local/ports.ts'
import { makeFolder } from '../support/folder.ts'

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
  const until = async (wanted: (answer: string) => boolean) => {
    const deadline = Date.now() + 15_000
    let answer = ''
    while (Date.now() < deadline) {
      answer = await ask()
      if (wanted(answer)) return answer
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    throw new Error(`the last answer was ${JSON.stringify(answer)}:\n${output}`)
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

  it('serves a changed plugin, and its changed schema', async () => {
    assert.equal(await until(answer => answer.startsWith('one')), 'one{}')
    write(pluginSaying('two', {}))
    assert.equal(await until(answer => answer.startsWith('two')), 'two{}')
    write(pluginSaying('three', { size: { type: 'integer', default: 7 } }))
    assert.equal(await until(answer => answer.includes('size')), 'three{"size":7}')
  })

  it('keeps the old plugins while the new ones are broken, and says why', async () => {
    write('this is not JavaScript')
    const deadline = Date.now() + 10_000
    while (!output.includes('the old ones are still served') && Date.now() < deadline)
      await new Promise(resolve => setTimeout(resolve, 20))
    assert.match(output, /says\.mjs/)
    assert.equal(await until(answer => answer !== 'no answer'), 'three{"size":7}')
  })
})
