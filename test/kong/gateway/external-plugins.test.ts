import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { AccessKong, LogKong, PhaseKong } from '../../../sdk/sdk.ts'
import { definePlugin, Type } from '../../../sdk/sdk.ts'
import { type RunningGateway, startTestGateway } from '../../support/gateway.ts'
import { type RunningPluginServer, startPluginServer } from '../../support/plugin-server.ts'
import { until } from '../../support/until.ts'

const SCHEMA = {
  name: 'guard',
  fields: [
    {
      config: {
        type: 'record',
        fields: [{ word: { type: 'string', default: 'hello' } }],
      },
    },
  ],
}

for (const protocol of ['ProtoBuf:1', 'MsgPack:1'] as const) {
  describe(`the gateway with an external plugin over ${protocol}`, () => {
    let upstream: Server
    let server: RunningPluginServer
    let gateway: RunningGateway
    const logged: Record<string, unknown>[] = []

    before(async () => {
      upstream = createServer((request, response) =>
        response.end(JSON.stringify([request.headers['x-word'], request.headers['x-consumer-username']])),
      )
      await new Promise<void>(resolve => upstream.listen(0, '127.0.0.1', resolve))
      server = await startPluginServer(
        definePlugin({
          name: 'guard',
          version: '1.0.0',
          priority: 900,
          config: Type.Object({ word: Type.Optional(Type.String()) }),
          phases: {
            access: async (kong: AccessKong, { config }) => {
              const stop = await kong.request.getHeader('x-stop')
              if (stop !== undefined) return kong.response.exit(429, `stop ${stop}`, { 'retry-after': '7' })
              kong.service.request.setHeader('x-word', config.word ?? 'none')
              kong.response.setHeader('x-guard', 'seen')
              kong.log.setSerializeValue('guard.word', config.word ?? null)
              return undefined
            },
            response: async (kong: PhaseKong<'response'>) => {
              const [status, body] = await Promise.all([
                kong.service.response.getStatus(),
                kong.service.response.getRawBody(),
              ])
              kong.response.setHeader('x-upstream-said', `${status} ${body?.length} bytes`)
            },
            log: async (kong: LogKong) => {
              logged.push((await kong.log.serialize()) as unknown as Record<string, unknown>)
            },
          },
        }),
      )
      const dump = {
        Protocol: protocol,
        Plugins: [
          {
            Name: 'guard',
            Version: '1.0.0',
            Priority: 900,
            Phases: ['access', 'response', 'log'],
            Schema: SCHEMA,
          },
        ],
      }
      gateway = await startTestGateway({
        KONG_PLUGINS: 'bundled,guard',
        KONG_PLUGINSERVER_NAMES: 'guard',
        KONG_PLUGINSERVER_GUARD_SOCKET: server.socket,
        KONG_PLUGINSERVER_GUARD_QUERY_CMD: `printf '%s' '${JSON.stringify(dump)}'`,
      })
      const { port } = upstream.address() as AddressInfo
      await gateway.admin('POST', '/services', { name: 's', url: `http://127.0.0.1:${port}` })
      await gateway.admin('POST', '/services/s/routes', { name: 'r', paths: ['/r'] })
      await gateway.admin('POST', '/services/s/plugins', { name: 'key-auth' })
      await gateway.admin('POST', '/consumers', { username: 'jason' })
      await gateway.admin('POST', '/consumers/jason/key-auth', { key: 'k' })
      await gateway.admin('POST', '/services/s/plugins', { name: 'guard', instance_name: 'g' })
    })

    after(async () => {
      await gateway.close()
      await server.close()
      upstream.close()
    })

    const get = (headers: Record<string, string> = { apikey: 'k' }) =>
      fetch(`${gateway.proxyUrl}/r/x`, { headers })
    const lastLogged = async (count: number) => {
      await until(() => logged.length >= count)
      assert.equal(logged.length, count)
      return logged.at(-1) as Record<string, Record<string, unknown>>
    }

    it('lets it change the request and the response, after the plugins before it', async () => {
      logged.length = 0
      const response = await get()
      assert.deepEqual(await response.json(), ['hello', 'jason'])
      assert.equal(response.headers.get('x-guard'), 'seen')
      assert.equal(response.headers.get('x-upstream-said'), '200 17 bytes')
      const entry = await lastLogged(1)
      assert.equal(entry.response?.status, 200)
      assert.equal(entry.consumer?.username, 'jason')
      assert.deepEqual(entry.guard, { word: 'hello' })
      assert.equal(entry.source, 'upstream')
    })

    it('lets it end the request', async () => {
      logged.length = 0
      const response = await get({ apikey: 'k', 'x-stop': 'now' })
      assert.equal(response.status, 429)
      assert.equal(await response.text(), 'stop now')
      assert.equal(response.headers.get('retry-after'), '7')
      assert.equal((await lastLogged(1)).source, 'kong')
    })

    it('has its log phase for a request that another plugin refused', async () => {
      logged.length = 0
      const response = await get({})
      assert.equal(response.status, 401)
      await response.arrayBuffer()
      const entry = await lastLogged(1)
      assert.equal(entry.response?.status, 401)
      assert.deepEqual(entry.tries, [])
    })

    it('gives it a new configuration at once', async () => {
      const plugins = (await gateway.admin('GET', '/plugins')).data as { id: string; name: string }[]
      const { id } = plugins.find(({ name }) => name === 'guard')!
      await gateway.admin('PATCH', `/plugins/${id}`, { config: { word: 'other' } })
      assert.deepEqual(await (await get()).json(), ['other', 'jason'])
    })

    it('serves many requests at once, each with its own answer', async () => {
      const answers = await Promise.all(
        Array.from({ length: 100 }, async (_, i) => {
          const response = await get(i % 3 === 0 ? { apikey: 'k', 'x-stop': String(i) } : { apikey: 'k' })
          return [response.status, await response.text()]
        }),
      )
      for (const [i, [status, text]] of answers.entries())
        assert.deepEqual(
          [status, text],
          i % 3 === 0 ? [429, `stop ${i}`] : [200, JSON.stringify(['other', 'jason'])],
        )
    })
  })
}

describe('the gateway without its plugin server', () => {
  for (const protocol of ['ProtoBuf:1', 'MsgPack:1'])
    it(`answers 500 over ${protocol}, in the type that the client prefers`, async () => {
      const dump = {
        Protocol: protocol,
        Plugins: [{ Name: 'guard', Version: '1.0.0', Priority: 900, Phases: ['access'], Schema: SCHEMA }],
      }
      const gateway = await startTestGateway({
        KONG_PLUGINS: 'guard',
        KONG_PLUGINSERVER_NAMES: 'guard',
        KONG_PLUGINSERVER_GUARD_SOCKET: '/nonexistent/guard.sock',
        KONG_PLUGINSERVER_GUARD_QUERY_CMD: `printf '%s' '${JSON.stringify(dump)}'`,
      })
      try {
        await gateway.admin('POST', '/services', { name: 's', url: 'http://127.0.0.1:9' })
        await gateway.admin('POST', '/services/s/routes', { paths: ['/r'] })
        await gateway.admin('POST', '/services/s/plugins', { name: 'guard' })
        const response = await fetch(`${gateway.proxyUrl}/r`, { headers: { accept: 'text/plain' } })
        assert.equal(response.status, 500)
        assert.match(await response.text(), /^An unexpected error occurred\nrequest_id: [\da-f]{32}\n$/)
      } finally {
        await gateway.close()
      }
    })
})
