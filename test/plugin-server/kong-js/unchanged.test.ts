/**
 * Plugins as their authors wrote them for kong-pdk, in the forms of its own examples: served by `sluice serve
 * --plugins`, and called by the local gateway.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { promisify } from 'node:util'
import { startUpstream } from '../../../testing/upstream.ts'
import { makeFolder } from '../../support/folder.ts'
import { type RunningGateway, startTestGateway } from '../../support/gateway.ts'
import { runSluice } from '../../support/run-sluice.ts'
import { type ServerProcess, startServerProcess } from '../../support/server-process.ts'

const run = promisify(execFile)
const require = createRequire(import.meta.url)
const PACKAGES = path.dirname(path.dirname(require.resolve('kong-pdk/package.json')))
const TSC = path.join(PACKAGES, 'typescript', 'bin', 'tsc')

/** Without a `Name`: the file's is the plugin's. */
const GREETER = `
'use strict'
class KongPlugin {
  constructor(config) { this.config = config }
  async access(kong) {
    const host = await kong.request.getHeader('host')
    if (host === undefined) return await kong.log.err('no host header')
    await Promise.all([
      kong.response.setHeader('x-greeting', this.config.message + ' from ' + host),
      kong.response.setHeader('x-greeter-pid', process.pid),
    ])
  }
}
module.exports = {
  Plugin: KongPlugin,
  Schema: [{ message: { type: 'string', default: 'greetings' } }],
  Version: '0.1.0',
  Priority: 0,
}
`

const DOORMAN = `
class KongPlugin {
  async access(kong) {
    if (!(await kong.request.getHeader('userId'))) return kong.response.exit(403)
    await kong.response.setHeader('x-welcome', 'welcome')
  }
}
module.exports = { Plugin: KongPlugin, Schema: [], Version: '0.1.0', Priority: 0 }
`

const SHOUTER = `
class KongPlugin {
  async access(kong) {
    const body = await kong.request.getRawBody()
    await Promise.all([
      kong.service.request.setQuery({ shouted: 'yes' }),
      kong.service.request.setRawBody(body.replace(/./g, letter => letter.toUpperCase())),
    ])
  }
  async response(kong) {
    if ((await kong.response.getSource()) == 'service') {
      const body = await kong.service.response.getRawBody()
      await kong.response.exit(await kong.response.getStatus(), 'the service said: ' + body)
    }
  }
}
module.exports = { Plugin: KongPlugin, Schema: [], Version: '0.1.0', Priority: 0 }
`

/** In a folder of its own, with a `Name`; answers with an object. */
const ANSWERER = `
class KongPlugin {
  async access(kong) { await kong.response.exit(200, { asked: await kong.request.getRawBody() }) }
}
module.exports = { Plugin: KongPlugin, Name: 'answerer', Schema: [], Version: '0.1.0', Priority: 0 }
`

const TYPED = `
'use strict';

import kong from "kong-pdk/kong"

class KongPlugin {
  config: any;
  constructor(config: any) {
    this.config = config
  }

  async access(kong: kong) {
    let path = await kong.request.getPath()
    await Promise.all([
      kong.response.setHeader("x-typed", this.config.message + " " + path),
      kong.ctx.shared.set("typed", path),
    ])
  }
}

module.exports = {
  Plugin: KongPlugin,
  Name: 'typed',
  Schema: [
    { message: { type: "string", default: "typed" } },
  ],
  Version: '0.1.0',
  Priority: 0,
}
`

const NAMES = ['greeter', 'doorman', 'shouter', 'answerer', 'typed']

describe('plugins that were written for kong-pdk', function () {
  this.timeout(60_000)
  const folder = makeFolder()
  const plugins = path.join(folder.path, 'plugins')
  const dumps = path.join(folder.path, 'dumps')
  let server: ServerProcess
  let upstream: Awaited<ReturnType<typeof startUpstream>>

  before(async () => {
    mkdirSync(path.join(plugins, 'folder'), { recursive: true })
    writeFileSync(path.join(plugins, 'package.json'), '{}')
    writeFileSync(path.join(plugins, 'greeter.js'), GREETER)
    writeFileSync(path.join(plugins, 'doorman.js'), DOORMAN)
    writeFileSync(path.join(plugins, 'shouter.js'), SHOUTER)
    writeFileSync(path.join(plugins, 'folder', 'package.json'), '{"main": "index.js"}')
    writeFileSync(path.join(plugins, 'folder', 'index.js'), ANSWERER)
    await compile(TYPED)
    upstream = await startUpstream(({ path: target, body }) => ({ status: 201, body: `${target} ${body}` }))
    server = await startServerProcess({}, { socket: path.join(folder.path, 'run', 's.sock'), plugins })
  })
  after(async () => {
    await server.close()
    await upstream.close()
    folder.remove()
  })

  /** As its author would: into CommonJS, by tsc, with the types of kong-pdk. */
  async function compile(source: string): Promise<void> {
    const project = path.join(folder.path, 'typed')
    mkdirSync(project)
    symlinkSync(PACKAGES, path.join(project, 'node_modules'))
    writeFileSync(path.join(project, 'package.json'), '{}')
    writeFileSync(path.join(project, 'typed.ts'), source)
    const flags = ['--module', 'nodenext', '--target', 'es2022', '--skipLibCheck', '--types', 'node']
    await run(process.execPath, [TSC, ...flags, '--outDir', plugins, 'typed.ts'], { cwd: project })
    assert.match(readFileSync(path.join(plugins, 'typed.js'), 'utf8'), /module\.exports = /)
  }

  for (const protocol of ['ProtoBuf:1', 'MsgPack:1'])
    describe(`run unchanged over ${protocol}`, () => {
      let gateway: RunningGateway

      before(async () => {
        const out = path.join(dumps, protocol)
        await runSluice(['dump', '--plugins', plugins, '--protocol', protocol, '--out', out], {
          SLUICE_SOCKET: server.socket,
        })
        const env: Record<string, string> = {
          KONG_PLUGINS: `bundled,${NAMES}`,
          KONG_PLUGINSERVER_NAMES: NAMES.join(','),
        }
        for (const name of NAMES) {
          env[`KONG_PLUGINSERVER_${name.toUpperCase()}_SOCKET`] = server.socket
          env[`KONG_PLUGINSERVER_${name.toUpperCase()}_QUERY_CMD`] = `cat ${path.join(out, `${name}.json`)}`
        }
        gateway = await startTestGateway(env)
        for (const name of NAMES) {
          await gateway.admin('POST', '/services', { name, url: `http://127.0.0.1:${upstream.port}` })
          await gateway.admin('POST', `/services/${name}/routes`, { paths: [`/${name}`] })
          await gateway.admin('POST', `/services/${name}/plugins`, { name })
        }
      })
      after(() => gateway.close())

      const ask = (target: string, init: RequestInit = {}) => fetch(`${gateway.proxyUrl}${target}`, init)

      it('one of a single file', async () => {
        const { status, headers } = await ask('/greeter')
        assert.equal(status, 201)
        assert.equal(headers.get('x-greeting'), `greetings from ${new URL(gateway.proxyUrl).host}`)
        assert.equal(headers.get('x-greeter-pid'), String(server.pid))
      })

      it('one that ends requests', async () => {
        assert.equal((await ask('/doorman')).status, 403)
        const admitted = await ask('/doorman', { headers: { userId: 'u-1' } })
        assert.deepEqual([admitted.status, admitted.headers.get('x-welcome')], [201, 'welcome'])
      })

      it('one that changes the request and, in the response phase, the answer', async () => {
        const answer = await ask('/shouter/x?y=1', { method: 'POST', body: 'hello' })
        assert.equal(answer.status, 201)
        assert.equal(await answer.text(), 'the service said: /x?shouted=yes HELLO')
      })

      it('one in a folder, which answers with an object', async () => {
        const answer = await ask('/answerer', { method: 'POST', body: 'what' })
        assert.equal(answer.headers.get('content-type'), 'application/json; charset=utf-8')
        assert.deepEqual(await answer.json(), { asked: 'what' })
      })

      it('one in TypeScript, with the types of kong-pdk', async () => {
        const { status, headers } = await ask('/typed/some/path')
        assert.deepEqual([status, headers.get('x-typed')], [201, 'typed /typed/some/path'])
      })
    })
})
