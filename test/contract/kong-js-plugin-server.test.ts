/** The local gateway with Kong's own JavaScript plugin server (kong-pdk): another's view of MsgPack:1. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { makeFolder, type TestFolder } from '../support/folder.ts'
import { type RunningGateway, startTestGateway } from '../support/gateway.ts'
import { type KongJsServer, startKongJsServer } from '../support/kong-js-server.ts'

const PLUGIN = `
class Hello {
  constructor(config) { this.config = config }
  async access(kong) {
    if (await kong.request.getHeader('x-stop')) return kong.response.exit(418, 'stopped', { 'x-exit': '1' })
    const consumer = await kong.client.getConsumer()
    const query = await kong.request.getQuery()
    const body = String(await kong.request.getRawBody())
    await kong.service.request.setHeader('x-seen', JSON.stringify([consumer.username, query, body, this.config.word]))
    await kong.response.setHeader('x-hello', await kong.request.getMethod())
  }
}
module.exports = {
  Plugin: Hello, Name: 'hello', Version: '1.0.0', Priority: 10,
  Schema: [{ word: { type: 'string', default: 'world' } }],
}
`
const DUMP = [
  {
    Name: 'hello',
    Version: '1.0.0',
    Priority: 10,
    Phases: ['access'],
    Schema: {
      name: 'hello',
      fields: [{ config: { type: 'record', fields: [{ word: { type: 'string', default: 'world' } }] } }],
    },
  },
]

describe("the gateway with Kong's JavaScript plugin server", () => {
  let folder: TestFolder
  let server: KongJsServer
  let upstream: Server
  let gateway: RunningGateway

  before(async () => {
    folder = makeFolder()
    const plugins = path.join(folder.path, 'plugins')
    mkdirSync(plugins)
    writeFileSync(path.join(plugins, 'hello.js'), PLUGIN)
    server = await startKongJsServer(plugins, folder.path)
    upstream = createServer((request, response) => response.end(String(request.headers['x-seen'])))
    await new Promise<void>(resolve => upstream.listen(0, '127.0.0.1', resolve))
    gateway = await startTestGateway({
      KONG_PLUGINS: 'bundled,hello',
      KONG_PLUGINSERVER_NAMES: 'js',
      KONG_PLUGINSERVER_JS_SOCKET: server.socket,
      KONG_PLUGINSERVER_JS_QUERY_CMD: `echo '${JSON.stringify(DUMP)}'`,
    })
    const { port } = upstream.address() as AddressInfo
    await gateway.admin('POST', '/services', { name: 's', url: `http://127.0.0.1:${port}` })
    await gateway.admin('POST', '/services/s/routes', { paths: ['/s'] })
    await gateway.admin('POST', '/services/s/plugins', { name: 'key-auth' })
    await gateway.admin('POST', '/services/s/plugins', { name: 'hello' })
    await gateway.admin('POST', '/consumers', { username: 'eddie' })
    await gateway.admin('POST', '/consumers/eddie/key-auth', { key: 'ek' })
  })

  after(async () => {
    await gateway.close()
    await server.close()
    upstream.close()
    folder.remove()
  })

  const post = (headers: Record<string, string> = {}) =>
    fetch(`${gateway.proxyUrl}/s?a=1&a=2&b=x`, {
      method: 'POST',
      body: 'a body',
      headers: { apikey: 'ek', ...headers },
    })

  it('lets a plugin read and change requests', async () => {
    const response = await post()
    assert.equal(response.headers.get('x-hello'), 'POST')
    assert.deepEqual(await response.json(), ['eddie', { a: ['1', '2'], b: ['x'] }, 'a body', 'world'])
  })

  it('lets a plugin end requests, many at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 30 }, async () => {
        const response = await post({ 'x-stop': '1' })
        return [response.status, response.headers.get('x-exit'), await response.text()]
      }),
    )
    for (const answer of answers) assert.deepEqual(answer, [418, '1', 'stopped'])
  })
})
