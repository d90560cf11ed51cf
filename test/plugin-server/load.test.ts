import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createLogger } from '../../foundation/log.ts'
import { readSettings } from '../../foundation/settings.ts'
import { type LoadedFolder, loadFolder } from '../../plugin-server/load.ts'
import { type Server, startServer } from '../../plugin-server/main.ts'
import { describePlugin } from '../../plugin-server/runtime/info.ts'
import { connectMsgpack, connectProtobuf } from '../support/fake-kong.ts'
import { makeFolder } from '../support/folder.ts'
import { runSluice } from '../support/run-sluice.ts'

const FILES: Readonly<Record<string, string>> = {
  // As its author wrote it for Kong's server: CommonJS, snake_case calls, answers in Kong's shapes.
  'hello.js': `
class HelloPlugin {
  constructor(config) { this.config = config }
  async access(kong) {
    const headers = await kong.request.get_headers(100)
    const consumer = await kong.client.getConsumer()
    await Promise.all([
      kong.response.setHeader('x-hello', this.config.message + ' ' + headers.host[0]),
      kong.log.notice('custom id', consumer.custom_id),
    ])
    if (this.config.message === 'stop') { await kong.response.exit(418, 'short'); throw new Error('ran on') }
    if (this.config.message === 'then') await (async () => kong)()
  }
  async log(kong) { this.seen = JSON.parse(await kong.log.serialize()).started_at }
}
module.exports = { Plugin: HelloPlugin, Schema: [{ message: { type: 'string', default: 'hi' } }], Version: '1.2.3', Priority: 7 }
`,
  'package.json': '{"type": "commonjs"}',
  'folder/package.json': '{"type": "module", "main": "lib/main.js"}',
  'folder/lib/main.js': `
export class Plugin { rewrite() {} }
export const Name = 'In-A-Folder'
`,
  'ours.mjs': `
export const plugin = { name: 'ours', version: '1.0.0', priority: 1, config: { type: 'object', properties: {} }, phases: { access() {} } }
`,
  'broken.js': 'this is not JavaScript',
  'empty.js': 'module.exports = {}',
  'phaseless.js': 'module.exports = { Plugin: class {} }',
  'ours.test.mjs': 'throw new Error("a test is no plugin")',
  '.hidden.js': 'throw new Error("hidden")',
  'source.ts': 'export const plugin = {}',
  'ours.ts': '// Compiled to ours.mjs.',
  'types.d.ts': '',
  'node_modules/x.js': 'throw new Error("a dependency is no plugin")',
}

describe("other people's plugins", () => {
  const { path: folder, remove } = makeFolder()
  let loaded: LoadedFolder

  before(async () => {
    for (const [name, text] of Object.entries(FILES)) {
      mkdirSync(path.dirname(path.join(folder, name)), { recursive: true })
      writeFileSync(path.join(folder, name), text)
    }
    loaded = await loadFolder(folder)
  })

  after(remove)

  it('load from a file or a folder, ours and those of Kong’s JavaScript plugin server', () => {
    assert.deepEqual(loaded.plugins.map(({ plugin }) => plugin.name).sort(), ['hello', 'in-a-folder', 'ours'])
  })

  it('are described with their own schema, version and priority', () => {
    const dump = describePlugin(loaded.plugins.find(({ plugin }) => plugin.name === 'hello')!.plugin)
    assert.equal(dump.Version, '1.2.3')
    assert.equal(dump.Priority, 7)
    assert.deepEqual(dump.Phases, ['access', 'log'])
    const config = dump.Schema.fields.find(field => 'config' in field)!.config!
    assert.deepEqual(config.fields, [{ message: { type: 'string', default: 'hi' } }])
  })

  it('are named with file and reason when they are broken, and do not stop the others', () => {
    const reasons = Object.fromEntries(loaded.broken.map(({ file, reason }) => [path.basename(file), reason]))
    assert.deepEqual(Object.keys(reasons).sort(), ['broken.js', 'empty.js', 'phaseless.js', 'source.ts'])
    assert.match(reasons['empty.js']!, /neither `plugin`.* nor a class `Plugin`/)
    assert.match(reasons['phaseless.js']!, /none of the phases/)
    assert.match(reasons['source.ts']!, /compile it/)
  })

  it('are refused where Kong would not start with their schema, by dump and serve', async () => {
    const name = path.join(folder, 'node_modules', 'unknown-type')
    mkdirSync(name, { recursive: true })
    writeFileSync(
      path.join(name, 'talker.js'),
      `module.exports = { Plugin: class { access() {} }, Schema: [{ word: { type: 'text' } }] }`,
    )
    writeFileSync(path.join(name, 'fine.js'), 'module.exports = { Plugin: class { access() {} } }')
    const dump = await runSluice(['dump', '--plugins', name])
    assert.match(
      dump.stderr,
      /skipped the plugin .*talker\.js: Kong would not start with its schema: config\.word: the type "text"/,
    )
    assert.deepEqual(
      JSON.parse(dump.stdout).Plugins.filter((plugin: { Name: string }) => /talker|fine/.test(plugin.Name))
        .length,
      1,
    )
    for (const command of ['dump', 'serve']) {
      const strict = await runSluice([command, '--strict', '--plugins', name], {
        SLUICE_SOCKET: '/none/x.sock',
      })
      assert.equal(strict.code, 1)
      assert.match(strict.stderr, /talker\.js: Kong would not start/)
    }
  })

  it('that are not there at all are an error: an empty folder, one of TypeScript only, one of broken ones', async () => {
    const cases: readonly (readonly [file: string, reason: RegExp])[] = [
      ['README.md', /no plugin in the folder .*case-0\n/],
      ['hello.ts', /no plugin in the folder .*:\n.*hello\.ts: is TypeScript/],
      ['hello.js', /no plugin in the folder .*:\n.*hello\.js: it exports neither/],
    ]
    for (const [index, [file, reason]] of cases.entries()) {
      const one = path.join(folder, 'node_modules', `case-${index}`)
      mkdirSync(one, { recursive: true })
      writeFileSync(path.join(one, file), '')
      const { code, stderr } = await runSluice(['dump', '--plugins', one])
      assert.equal(code, 1)
      assert.match(stderr, reason)
    }
  })

  it('name the main file of a plugin that was not built yet', async () => {
    const one = path.join(folder, 'node_modules', 'unbuilt')
    mkdirSync(one, { recursive: true })
    writeFileSync(path.join(one, 'package.json'), '{"main":"dist/plugin.js"}')
    const { broken } = await loadFolder(one)
    assert.match(broken[0]?.reason ?? '', /^dist\/plugin\.js, .* does not exist: build the plugin/)
  })

  it('name a folder that is not there, and a file that is none', async () => {
    await assert.rejects(
      loadFolder('/none'),
      /^SluiceError: --plugins: cannot read \/none: it does not exist$/,
    )
    const file = path.join(folder, 'hello.js')
    await assert.rejects(loadFolder(file), /--plugins: .*hello\.js is a file: name the folder that holds it$/)
  })

  it('name a package.json that is not JSON, and a link that leads nowhere', async () => {
    const one = path.join(folder, 'node_modules', 'odd')
    mkdirSync(path.join(one, 'odd'), { recursive: true })
    writeFileSync(path.join(one, 'odd', 'package.json'), '{')
    writeFileSync(path.join(one, 'fine.mjs'), FILES['ours.mjs']!)
    symlinkSync('gone.js', path.join(one, 'link.js'))
    const { plugins, broken } = await loadFolder(one)
    assert.deepEqual(
      plugins.map(({ plugin }) => plugin.name),
      ['ours'],
    )
    assert.match(
      broken.map(({ reason }) => reason).join('\n'),
      /link\.js.*\n.*odd\/package\.json is not JSON: /,
    )
    await assert.rejects(loadFolder(path.join(one, 'odd')), /odd\/package\.json is not JSON: /)
    writeFileSync(path.join(one, 'odd', 'package.json'), 'null')
    writeFileSync(path.join(one, 'odd', 'index.mjs'), FILES['ours.mjs']!)
    assert.equal((await loadFolder(one)).plugins.length, 2)
  })

  for (const [protocol, connect, host] of [
    ['ProtoBuf:1', connectProtobuf, 'a.example'],
    ['MsgPack:1', connectMsgpack, ['a.example']],
  ] as const)
    describe(`run over ${protocol}`, () => {
      let server: Server
      before(async () => {
        const settings = readSettings({
          SLUICE_SOCKET: path.join(folder, protocol, 'sluice.sock'),
          SLUICE_SPOOL_DIR: path.join(folder, protocol, 'spool'),
          SLUICE_HTTP: 'off',
        })
        server = await startServer(settings, {
          plugins: loaded.plugins.map(({ plugin }) => plugin),
          log: createLogger('silent'),
        })
      })
      after(() => server.close())

      const access = async (message: string) => {
        const kong = await connect(server.socket)
        try {
          const id = await kong.startInstance('hello', { __plugin_id: message, message })
          return await kong.event(id, 'access', ({ method }) => {
            if (method === 'kong.request.get_headers') return { host }
            if (method === 'kong.client.get_consumer')
              return protocol === 'ProtoBuf:1' ? { id: 'c', customId: 'eid' } : { id: 'c', custom_id: 'eid' }
            return undefined
          })
        } finally {
          kong.close()
        }
      }

      it('with calls in snake_case and answers as Kong’s server gives them', async () => {
        const { outcome, calls } = await access('hi')
        assert.equal(outcome, 'ended')
        const told = calls.map(call => [call.method, ...call.args])
        assert.deepEqual(
          told.find(([method]) => method === 'kong.response.set_headers'),
          ['kong.response.set_headers', { 'x-hello': 'hi a.example' }],
        )
        assert.ok(
          told.some(([method, ...args]) => method === 'kong.log.notice' && args.flat().includes('eid')),
        )
      })

      it('and leave the handler at an exit', async () => {
        const { outcome, exit } = await access('stop')
        assert.equal(outcome, 'exited')
        assert.equal(exit?.[0], 418)
      })

      it('and may return the PDK from an async function', async () => {
        assert.equal((await access('then')).outcome, 'ended')
      })
    })
})
