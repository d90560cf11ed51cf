import assert from 'node:assert/strict'
import type { AnyPlugin } from '../../plugin-server/runtime/registry.ts'
import { plugin as qos } from '../../plugins/qos/plugin.ts'
import { definePlugin, Type } from '../../sdk/sdk.ts'
import { type Harness, type HarnessOptions, startHarness } from '../../testing/harness.ts'

const greeter = definePlugin({
  name: 'greeter',
  version: '1.0.0',
  priority: 10,
  config: Type.Object({
    greeting: Type.String({ default: 'hello', minLength: 2, description: 'what is said' }),
  }),
  events: [{ type: 'greeter.greeted.v1', doc: 'Said it.', data: Type.Object({ status: Type.Integer() }) }],
  memory: host => host,
  phases: {
    async access(kong, { config }) {
      const consumer = await kong.client.getConsumer()
      kong.service.request.setHeader('x-for', consumer?.username ?? 'nobody')
      kong.response.setHeader('x-greeting', config.greeting)
      if ((await kong.request.getPath()) === '/exit') kong.response.exit(418, 'short and stout')
      if ((await kong.request.getPath()) === '/wrong')
        await (kong as never as { log: { serialize(): Promise<void> } }).log.serialize()
    },
    async log(kong, { memory }) {
      const status = await kong.response.getStatus()
      await memory.events.publish({ type: 'greeter.greeted.v1', subject: 'x', data: { status } })
    },
  },
})

describe('the harness for plugins', () => {
  for (const protocol of ['ProtoBuf:1', 'MsgPack:1'] as const)
    describe(`over ${protocol}`, () => {
      let kong: Harness
      before(async () => {
        kong = await startHarness(greeter, { protocol, consumer: { username: 'eddie', tags: ['tier:gold'] } })
      })
      after(() => kong.close())

      it('runs the access phase before the service and the log phase after the response', async () => {
        const answer = await kong.request('/words?x=1', { headers: { apikey: kong.apikey } })
        assert.equal(answer.status, 200)
        assert.equal(answer.headers['x-greeting'], 'hello')
        assert.equal(answer.upstream?.path, '/words?x=1')
        assert.equal(answer.upstream?.headers['x-for'], 'eddie')
        assert.deepEqual(kong.events.at(-1)?.data, { status: 200 })
      })

      it('ends the request at an exit', async () => {
        const answer = await kong.request('/exit', { headers: { apikey: kong.apikey } })
        assert.equal(answer.status, 418)
        assert.equal(answer.body, 'short and stout')
        assert.equal(answer.upstream, undefined)
        assert.deepEqual(kong.events.at(-1)?.data, { status: 418 })
      })

      it('refuses a call that Kong refuses in the phase, and says so in the log', async () => {
        const answer = await kong.request('/wrong', { headers: { apikey: kong.apikey } })
        assert.equal(answer.status, 503)
        assert.ok(kong.log.some(line => /serialize/.test(JSON.stringify(line)) && line.level === 'error'))
      })

      it('asks for the key first, where there is a consumer', async () => {
        assert.equal((await kong.request('/')).status, 401)
      })
    })

  it('refuses a configuration as Kong does', async () => {
    await assert.rejects(startHarness(greeter, { config: { greeting: 'x' } }), (error: Error) => {
      assert.match(error.message, /Kong refuses the configuration of greeter/)
      assert.match(error.message, /greeting/)
      return true
    })
  })

  it('answers for the service', async () => {
    const options: HarnessOptions = { upstream: ({ path }) => ({ status: 404, body: `no ${path}` }) }
    const kong = await startHarness(greeter as AnyPlugin, options)
    const answer = await kong.request('/missing')
    assert.equal(answer.status, 404)
    assert.equal(answer.body, 'no /missing')
    assert.match(await kong.metrics(), /sluice_events_total/)
    await kong.close()
  })

  it('runs the plugins that are shipped', async () => {
    const config = {
      default_tier: 'one',
      tiers: { one: { limits: [{ name: 'minute', requests: 1, per: 60 }] } },
    }
    const kong = await startHarness(qos, { config })
    assert.equal((await kong.request('/')).status, 200)
    const refused = await kong.request('/')
    assert.equal(refused.status, 429)
    assert.match(String(refused.headers.ratelimit), /"minute";r=0;/)
    await kong.close()
  })
})
