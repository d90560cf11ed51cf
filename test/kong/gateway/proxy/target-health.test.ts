import assert from 'node:assert/strict'
import { type RunningGateway, startTestGateway } from '../../../support/gateway.ts'
import { startUpstream, type TestUpstream } from '../../../support/upstream.ts'

describe('the health of targets', () => {
  let gateway: RunningGateway
  let upstreams: readonly TestUpstream[]
  before(async () => {
    upstreams = await Promise.all(
      ['one', 'two'].map(name => startUpstream((_request, response) => response.end(name))),
    )
    gateway = await startTestGateway()
    const healthchecks = { passive: { unhealthy: { http_failures: 3 } } }
    await gateway.admin('POST', '/upstreams', { name: 'checked.pool', healthchecks })
    await gateway.admin('POST', '/upstreams', { name: 'unchecked.pool' })
    for (const pool of ['checked.pool', 'unchecked.pool'])
      for (const { port } of upstreams)
        await gateway.admin('POST', `/upstreams/${pool}/targets`, { target: `127.0.0.1:${port}` })
    await gateway.admin('POST', '/services', { name: 's', host: 'checked.pool' })
    await gateway.admin('POST', '/services/s/routes', { paths: ['/'] })
  })
  after(async () => {
    await gateway.close()
    await Promise.all(upstreams.map(upstream => upstream.close()))
  })

  const target = (i: number) => `127.0.0.1:${upstreams[i]!.port}`
  const mark = (i: number, health: string, pool = 'checked.pool') =>
    fetch(`${gateway.adminUrl}/upstreams/${pool}/targets/${target(i)}/${health}`, { method: 'PUT' })
  const answers = async () => {
    const all = await Promise.all(
      Array.from({ length: 8 }, async () => (await fetch(gateway.proxyUrl)).text()),
    )
    return [...new Set(all)].sort()
  }

  it('decides which of them are asked, as soon as the Admin API is told', async () => {
    assert.deepEqual(await answers(), ['one', 'two'])
    assert.equal((await mark(0, 'unhealthy')).status, 204)
    assert.deepEqual(await answers(), ['two'])
    assert.equal((await mark(0, 'healthy')).status, 204)
    assert.deepEqual(await answers(), ['one', 'two'])
  })

  it('leaves nobody to ask when all are unhealthy', async () => {
    await Promise.all([mark(0, 'unhealthy'), mark(1, 'unhealthy')])
    const { status } = await fetch(gateway.proxyUrl)
    const { data } = await gateway.admin('GET', '/upstreams/checked.pool/health?balancer_health=1')
    await Promise.all([mark(0, 'healthy'), mark(1, 'healthy')])
    assert.deepEqual([status, (data as { balancer_health: string }).balancer_health], [503, 'UNHEALTHY'])
  })

  it('cannot be marked where no health checks are configured', async () => {
    const response = await mark(0, 'unhealthy', 'unchecked.pool')
    assert.deepEqual(
      [response.status, await response.json()],
      [400, { message: 'no healthchecker found for unchecked.pool' }],
    )
  })
})
