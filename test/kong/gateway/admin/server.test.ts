import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { request } from 'node:http'
import { type RunningAdmin, startAdminServer } from '../../../support/admin-server.ts'

/** Asks for a path as it stands: `fetch` would resolve dot segments. */
const ask = (base: string, method: string, path: string, body?: string) =>
  new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
    const { hostname, port } = new URL(base)
    const headers = body === undefined ? {} : { 'content-type': 'application/json' }
    request({ hostname, port, method, path, headers, agent: false }, response => {
      let text = ''
      response.on('data', chunk => {
        text += String(chunk)
      })
      response.on('end', () => resolve({ status: response.statusCode, text }))
    })
      .on('error', reject)
      .end(body)
  })

describe('the Admin API', () => {
  let admin: RunningAdmin
  before(async () => {
    admin = await startAdminServer()
    await ask(admin.url, 'PUT', '/services/s', '{"host":"h"}')
    await ask(admin.url, 'PUT', '/services/s/routes/r', '{"paths":["/r"]}')
  })
  after(() => admin.close())

  for (const path of [
    '//services',
    '/services//s',
    '/routes/r/../r',
    '/services/./s',
    '/routes/%2e%2e/routes/r',
  ])
    it(`resolves nothing in a path: ${path}`, async () => {
      assert.equal((await ask(admin.url, 'GET', path)).status, 404)
    })

  it('takes a slash at the end for nothing', async () => {
    assert.equal((await ask(admin.url, 'GET', '/services/s/')).status, 200)
  })

  it('refuses a path that leads out of the root before Kong would see it', async () => {
    const { status, text } = await ask(admin.url, 'GET', '/..')
    assert.equal(status, 400)
    assert.match(text, /400 Bad Request/)
  })

  for (const body of ['null', '"text"', '5', 'true', '[1]', '[{"host":"h"}]', '{'])
    it(`refuses a JSON body at which Kong itself stumbles: ${body}`, async () => {
      const { status, text } = await ask(admin.url, 'POST', '/services', body)
      assert.deepEqual([status, JSON.parse(text)], [400, { message: 'Cannot parse JSON body' }])
    })

  it('makes keys and key sets by their names, where Kong itself stumbles', async () => {
    assert.equal((await ask(admin.url, 'PUT', '/key-sets/ks', '{}')).status, 200)
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const jwk = JSON.stringify({ ...publicKey.export({ format: 'jwk' }), kid: 'a' })
    const { status, text } = await ask(admin.url, 'PUT', '/keys/k', JSON.stringify({ kid: 'a', jwk }))
    assert.deepEqual([status, JSON.parse(text).name], [200, 'k'])
  })

  it('lists the plugins that it accepts and does not run', async () => {
    const { plugins } = JSON.parse((await ask(admin.url, 'GET', '/')).text)
    assert.ok(plugins.not_run.includes('ai-proxy'))
    assert.ok(!plugins.not_run.includes('key-auth'))
    assert.ok('ai-proxy' in plugins.available_on_server)
  })

  it('lists every path that it serves, those of plugins included', async () => {
    const { data } = JSON.parse((await ask(admin.url, 'GET', '/endpoints')).text)
    for (const path of [
      '/key-sets/{key_sets}/keys/{keys}',
      '/proxy-cache/{cache_key}',
      '/upstreams/{upstreams}/health',
    ])
      assert.ok(data.includes(path), path)
  })
})
