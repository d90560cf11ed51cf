import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type RunningAdmin, startAdminServer } from '../support/admin-server.ts'
import { type RunningManager, startTestManager } from '../support/manager.ts'
import { runSluice } from '../support/run-sluice.ts'
import { START_MS } from '../support/services.ts'
import { until } from '../support/until.ts'

const ALERTS = new URL('../../../ops/deploy/prometheus/alerts.yml', import.meta.url)

describe("the manager's server", function () {
  this.timeout(60_000)
  let kong: RunningAdmin
  let manager: RunningManager
  before(async function () {
    this.timeout(START_MS)
    kong = await startAdminServer()
    manager = await startTestManager({ SLUICE_ADMIN_URL: kong.url })
  })
  after(async () => {
    await manager?.close()
    await kong?.close()
  })

  it('answers probes and Prometheus without a token', async () => {
    const healthy = await manager.call('GET', '/healthz', undefined, { token: '' })
    assert.deepEqual([healthy.status, healthy.body], [200, { status: 'ok' }])
    await until(
      'it is ready',
      async () => (await manager.call('GET', '/readyz', undefined, { token: '' })).status === 200,
    )
    const metrics = await manager.call('GET', '/metrics', undefined, { token: '' })
    assert.match(metrics.text, /^sluice_process_cpu_seconds_total \d/m)
    const alerts = new Set(readFileSync(ALERTS, 'utf8').match(/sluice_manager_\w+/g))
    assert.ok(alerts.size > 3)
    for (const name of alerts) assert.match(metrics.text, new RegExp(`^${name}(\\{.*\\})? \\d`, 'm'), name)
  })

  it('asks for a token everywhere else', async () => {
    const answer = await manager.call('GET', '/v1/me', undefined, { token: '' })
    assert.equal(answer.status, 401)
    assert.equal(answer.headers.get('content-type'), 'application/problem+json')
    assert.equal(answer.headers.get('www-authenticate'), 'Bearer realm="sluice manager"')
    assert.equal(answer.body.code, 'SLUICE_MANAGER_UNAUTHENTICATED')
    const wrong = await manager.call('GET', '/v1/me', undefined, { token: 'sluice_wrong' })
    assert.match(wrong.headers.get('www-authenticate') ?? '', /invalid_token/)
  })

  it('knows an operator by a token', async () => {
    const answer = await manager.call('GET', '/v1/me', undefined, { token: manager.tokens.editor })
    assert.deepEqual(answer.body, { name: 'editor', role: 'editor', via: 'token' })
  })

  it('forgets a revoked token, and one of a disabled operator', async () => {
    const run = async (...args: string[]) => {
      const { code, stdout, stderr } = await runSluice(
        ['manager', ...args],
        manager.env as Record<string, string>,
      )
      assert.equal(code, 0, stderr)
      return stdout.trim()
    }
    const first = await run('operator', 'add', 'jason', '--role', 'viewer')
    const second = await run('token', 'create', 'jason', 'laptop', '--days', '1')
    const statuses = () =>
      Promise.all(
        [first, second].map(
          async token => (await manager.call('GET', '/v1/me', undefined, { token })).status,
        ),
      )
    assert.deepEqual(await statuses(), [200, 200])
    await run('token', 'revoke', 'jason', 'laptop')
    await new Promise(resolve => setTimeout(resolve, 1_100))
    assert.deepEqual(await statuses(), [200, 401])
    await run('operator', 'disable', 'jason')
    await new Promise(resolve => setTimeout(resolve, 1_100))
    assert.deepEqual(await statuses(), [401, 401])
    assert.match(await run('operator', 'list'), /^operator +role +state\n(?:.*\n)*jason +viewer +disabled$/m)
    assert.match(await run('token', 'list'), /^jason +first +.* active\njason +laptop +.* revoked$/m)
  })

  it('tells a path that is not there from a method that is not taken', async () => {
    const nowhere = await manager.call('GET', '/v1/nowhere')
    assert.deepEqual([nowhere.status, nowhere.body.code], [404, 'SLUICE_MANAGER_NOT_FOUND'])
    const method = await manager.call('DELETE', '/v1/me')
    assert.deepEqual([method.status, method.headers.get('allow')], [405, 'GET, HEAD'])
  })

  it('says in OpenAPI 3.1 what it offers', async () => {
    const { body } = await manager.call('GET', '/v1/openapi.json')
    assert.equal(body.openapi, '3.1.0')
    assert.ok(body.paths['/v1/me'])
  })

  it('shows the reference as a page without a script or an outside host', async () => {
    const page = await manager.call('GET', '/docs', undefined, { token: '' })
    assert.deepEqual([page.status, page.headers.get('content-type')], [200, 'text/html; charset=utf-8'])
    for (const text of ['/v1/apis', 'Publish an API', '/v1/services/{key}'])
      assert.ok(page.text.includes(text), text)
    assert.doesNotMatch(page.text, /<script|(src|href)="https?:/)
    const style = await manager.call('GET', '/docs/style.css', undefined, { token: '' })
    assert.equal(style.headers.get('content-type'), 'text/css')
  })

  it('sends headers that keep a browser from foreign content', async () => {
    const { headers } = await manager.call('GET', '/healthz')
    assert.match(headers.get('content-security-policy') ?? '', /^default-src 'none'/)
    assert.equal(headers.get('x-content-type-options'), 'nosniff')
    assert.equal(headers.get('content-length'), String('{"status":"ok"}'.length))
    const refused = await manager.call('GET', '/v1/nowhere', undefined, { token: '' })
    assert.equal(refused.headers.get('x-frame-options'), headers.get('x-frame-options'))
    assert.equal(refused.headers.get('content-security-policy'), headers.get('content-security-policy'))
  })
})
