import assert from 'node:assert/strict'
import path from 'node:path'
import { connectMsgpack, type KongConnection, type Script } from '../../support/fake-kong.ts'
import { makeFolder } from '../../support/folder.ts'
import { type KongJsServer, startKongJsServer } from '../../support/kong-js-server.ts'

const ADAPTERS = path.resolve(import.meta.dirname, '../../../kong-js')

const kongAnswers: Script = ({ method }) => {
  if (method === 'kong.client.get_consumer') return { id: 'c-1', username: 'eddie', tags: ['tier:bronze'] }
  if (method === 'kong.log.serialize')
    return JSON.stringify({
      started_at: 1_795_190_176_134,
      request: {
        id: 'r-1',
        method: 'GET',
        uri: '/x',
        url: 'http://a/x',
        headers: { apikey: 'k' },
        querystring: {},
      },
      response: { status: 200, headers: {} },
      service: { id: 's-1', name: 's' },
      route: { id: 'ro-1' },
      latencies: { request: 3, kong: 1, proxy: 2 },
      tries: [],
      source: 'upstream',
      upstream_status: '200',
      authenticated_entity: { id: 'k-1' },
      consumer: { id: 'c-1', username: 'eddie' },
    })
  return undefined
}

describe("our plugins in Kong's own JavaScript plugin server", function () {
  this.timeout(30_000)
  const folder = makeFolder()
  let server: KongJsServer
  let kong: KongConnection

  before(async () => {
    server = await startKongJsServer(ADAPTERS, folder.path, {
      SLUICE_SPOOL_DIR: path.join(folder.path, 'spool'),
      SLUICE_FINGERPRINT_SECRET: 'a secret of at least thirty-two bytes',
    })
    kong = await connectMsgpack(server.socket)
  })
  after(async () => {
    kong?.close()
    await server?.close()
    folder.remove()
  })

  it('limit requests', async () => {
    const id = await kong.startInstance('qos', {
      __plugin_id: 'p-1',
      default_tier: 'bronze',
      tiers: { bronze: { limits: [{ name: 'minute', requests: 1, per: 60 }] } },
    })
    const first = await kong.event(id, 'access', kongAnswers)
    assert.equal(first.outcome, 'ended')
    const headers = first.calls.find(call => call.method === 'kong.response.set_headers')?.args[0] as Record<
      string,
      unknown
    >
    assert.equal(headers['RateLimit-Policy'], '"minute";q=1;w=60')
    const second = await kong.event(id, 'access', kongAnswers)
    assert.equal(second.outcome, 'exited')
    assert.equal(second.exit?.[0], 429)
  })

  it('record what authentication decided', async () => {
    const id = await kong.startInstance('key-auth-audit', { __plugin_id: 'p-2' })
    const { outcome, calls } = await kong.event(id, 'log', kongAnswers)
    assert.equal(outcome, 'ended')
    assert.deepEqual(
      calls.map(call => call.method),
      ['kong.log.serialize'],
    )
  })

  it('let no request pass where their configuration is refused', async () => {
    const id = await kong.startInstance('qos', { __plugin_id: 'p-4', default_tier: 'none', tiers: {} })
    const { outcome, exit } = await kong.event(id, 'access', kongAnswers)
    assert.deepEqual([outcome, exit?.[0]], ['exited', 500])
  })

  it('break circuits', async () => {
    const id = await kong.startInstance('circuit-breaker', { __plugin_id: 'p-3', service_id: 's-1' })
    assert.deepEqual(await kong.event(id, 'access', kongAnswers), { outcome: 'ended', calls: [] })
  })
})
