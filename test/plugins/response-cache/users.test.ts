import assert from 'node:assert/strict'
import { plugin as responseCache } from '../../../plugins/response-cache/plugin.ts'
import { definePlugin, Type } from '../../../sdk/sdk.ts'
import { type EdgeGateway, startEdgeGateway } from '../../support/edge-gateway.ts'
import { startUpstream, type TestUpstream } from '../../support/upstream.ts'

/** Somebody's own: it knows users by a field that the cache does not, and says nothing of them to the service. */
const silentAuth = definePlugin({
  name: 'silent-auth',
  version: '1.0.0',
  priority: 1000,
  config: Type.Object({}),
  phases: {
    async access(kong) {
      const user = (await kong.request.getHeader('x-user')) ?? ''
      const consumer = await kong.client.loadConsumer(user, true)
      kong.client.authenticate(consumer)
    },
  },
})

describe('response-cache between users', () => {
  let gateway: EdgeGateway
  let service: TestUpstream
  let count = 0

  before(async () => {
    service = await startUpstream((_, response) => {
      response.writeHead(200, { 'cache-control': 'max-age=600' })
      response.end(`answer ${++count}`)
    })
    gateway = await startEdgeGateway({ plugins: [responseCache, silentAuth] })
    for (const username of ['ada', 'eddie']) {
      await gateway.admin('POST', '/consumers', { username })
      await gateway.admin('POST', `/consumers/${username}/key-auth`, { key: `key-of-${username}` })
    }
  })
  after(async () => {
    await gateway.close()
    await service.close()
  })

  let services = 0
  /** @returns what each of the requests is answered */
  async function answers(auth: string, config: object, requests: readonly Record<string, string>[]) {
    const name = `s${services++}`
    const entry = { name: 'response-cache', config: { key_names: ['nothing'], ...config } }
    await gateway.addService(name, service.url, [{ name: auth }, entry])
    const bodies: string[] = []
    for (const headers of requests) {
      const answer = await fetch(`${gateway.proxyUrl}/${name}`, { headers })
      assert.equal(answer.status, 200)
      bodies.push(await answer.text())
    }
    return bodies
  }

  const BY_FIELD = [{ 'x-user': 'ada' }, { 'x-user': 'eddie' }, { 'x-user': 'ada' }]
  const BY_KEY = [{ apikey: 'key-of-ada' }, { apikey: 'key-of-eddie' }, { apikey: 'key-of-ada' }]

  it('tells consumers apart whom only Kong knows', async () => {
    const [ada, eddie, again] = await answers('silent-auth', {}, BY_FIELD)
    assert.notEqual(eddie, ada)
    assert.equal(again, ada)
  })

  it("tells consumers apart by the fields of Kong's own plugins, without asking Kong", async () => {
    const [ada, eddie, again] = await answers('key-auth', { consumer: 'fields' }, BY_KEY)
    assert.notEqual(eddie, ada)
    assert.equal(again, ada)
    // What the question is for.
    const [one, other] = await answers('silent-auth', { consumer: 'fields' }, BY_FIELD)
    assert.equal(other, one)
  })

  it('tells routes of one URL apart, which may lead to different services', async () => {
    const versions = ['1', '2']
    for (const version of versions) {
      const name = `v${version}`
      await gateway.admin('POST', '/services', { name, url: service.url })
      const headers = { 'x-version': [version] }
      await gateway.admin('POST', `/services/${name}/routes`, { name, paths: ['/versions'], headers })
    }
    // Bound to nothing, so that Kong is asked for the route.
    const { id } = await gateway.admin('POST', '/plugins', { name: 'response-cache', config: {} })
    const ask = async (version: string) =>
      (await fetch(`${gateway.proxyUrl}/versions`, { headers: { 'x-version': version } })).text()
    const [one, two, again] = [await ask('1'), await ask('2'), await ask('1')]
    await gateway.admin('DELETE', `/plugins/${id}`)
    assert.notEqual(two, one)
    assert.equal(again, one)
  })
})
