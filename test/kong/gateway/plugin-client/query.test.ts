import assert from 'node:assert/strict'
import { queryPlugin } from '../../../../kong/gateway/plugin-client/query.ts'
import { readPluginServers } from '../../../../kong/gateway/plugin-client/settings.ts'

const server = (queryCommand: string) => ({ name: 'js', socket: '/tmp/unused.sock', queryCommand })
const print = (text: string) => server(`printf '%s' '${text}'`)
const hello =
  '{"Name":"hello","Version":"1.0","Priority":7,"Phases":["access"],"Schema":{"name":"hello","fields":[]}}'
const other = hello.replaceAll('hello', 'other')

describe('the settings of plugin servers', () => {
  it('are read for every name, dashes as underscores', () => {
    assert.deepEqual(
      readPluginServers({
        KONG_PREFIX: '/srv/kong',
        KONG_PLUGINSERVER_NAMES: 'key-audit, JS',
        KONG_PLUGINSERVER_KEY_AUDIT_SOCKET: '/run/audit.sock',
        KONG_PLUGINSERVER_KEY_AUDIT_QUERY_CMD: 'cat dump.json',
        KONG_PLUGINSERVER_JS_QUERY_CMD: 'js -dump',
        KONG_PLUGINSERVER_JS_START_CMD: 'js',
      }),
      [
        { name: 'key-audit', socket: '/run/audit.sock', queryCommand: 'cat dump.json' },
        { name: 'js', socket: '/srv/kong/js.socket', queryCommand: 'js -dump', startCommand: 'js' },
      ],
    )
  })

  it('are refused without a query command', () => {
    assert.throws(() => readPluginServers({ KONG_PLUGINSERVER_NAMES: 'js' }), {
      code: 'SLUICE_GATEWAY_CONFIG',
      message: 'query_command undefined for pluginserver js',
    })
  })
})

describe('the dump of a plugin server', () => {
  it('gives its first plugin only, as in Kong 3.9', async () => {
    const plugin = await queryPlugin(print(`{"Protocol":"ProtoBuf:1","Plugins":[${hello},${other}]}`))
    assert.deepEqual(plugin, {
      protocol: 'ProtoBuf:1',
      name: 'hello',
      version: '1.0',
      priority: 7,
      phases: ['access'],
      schema: { name: 'hello', fields: [] },
    })
  })

  it('means MsgPack:1 when it is a bare list', async () => {
    assert.equal((await queryPlugin(print(`[${hello}]`))).protocol, 'MsgPack:1')
  })

  it('counts whatever the exit status of its command', async () => {
    const { queryCommand } = print(`[${hello}]`)
    assert.equal((await queryPlugin(server(`${queryCommand}; exit 3`))).name, 'hello')
  })

  for (const [what, text] of [
    ['one stray byte before it', `x[${hello}]`],
    ['a line of a log behind it', `[${hello}]\nstarted`],
    ['nothing', ''],
    ['an empty list', '[]'],
    ['an unknown protocol', `{"Protocol":"Json:1","Plugins":[${hello}]}`],
  ] as const) {
    it(`is refused with ${what}`, async () => {
      await assert.rejects(queryPlugin(print(text)), (error: Error & { code: string }) => {
        assert.equal(error.code, 'SLUICE_GATEWAY_CONFIG')
        assert.match(error.message, /plugin server 'js': /)
        return true
      })
    })
  }
})
