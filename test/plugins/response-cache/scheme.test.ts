import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { freePorts } from '../../../ops/local/ports.ts'
import { plugin } from '../../../plugins/response-cache/plugin.ts'
import { type EdgeGateway, startEdgeGateway } from '../../support/edge-gateway.ts'

describe('response-cache for clients that come by TLS, with a proxy URL without it', function () {
  this.timeout(60_000)
  let service: Server
  let gateway: EdgeGateway
  let schemes: unknown[] = []

  before(async () => {
    service = createServer((asked, response) => {
      schemes.push(asked.headers['x-forwarded-proto'])
      response.writeHead(200, { 'cache-control': 'max-age=0, stale-if-error=60' })
      response.end(`answer ${schemes.length}`)
    })
    await new Promise<void>(resolve => service.listen(0, '127.0.0.1', resolve))
  })
  beforeEach(() => {
    schemes = []
  })
  afterEach(() => gateway.close())
  after(() => {
    service.closeAllConnections()
    service.close()
  })

  async function start(trusted: string): Promise<void> {
    const [plain = 0, tls = 0] = await freePorts(2)
    gateway = await startEdgeGateway({
      plugins: [plugin],
      env: {
        SLUICE_PROXY_URL: `http://127.0.0.1:${plain}`,
        SLUICE_LOOPBACK_SECRET: 'a secret of the tests, long enough',
      },
      kong: {
        KONG_PROXY_LISTEN: `127.0.0.1:${plain}, 127.0.0.1:${tls} ssl`,
        KONG_TRUSTED_IPS: trusted,
      },
    })
    const { port } = service.address() as AddressInfo
    const config = { fill_timeout_ms: 30_000 }
    await gateway.addService('tls', `http://127.0.0.1:${port}`, [{ name: 'response-cache', config }])
  }

  const ask = () =>
    new Promise<string>((resolve, reject) => {
      const sent = request(
        {
          host: '127.0.0.1',
          port: gateway.proxyPorts[1],
          path: '/tls',
          rejectUnauthorized: false,
          agent: false,
        },
        response => {
          let body = ''
          response.on('data', chunk => {
            body += chunk
          })
          response.on('end', () => resolve(`${response.statusCode} ${body}`))
        },
      )
      sent.on('error', reject)
      sent.end()
    })

  it('fetches nothing for another scheme, and says so once', async () => {
    await start('192.0.2.1')
    assert.equal(await ask(), '200 answer 1')
    assert.equal(await ask(), '200 answer 2')
    assert.equal(await ask(), '200 answer 3')
    assert.deepEqual(schemes, ['https', 'https', 'https'])
    assert.equal(gateway.log.filter(({ message }) => message.includes('another scheme')).length, 1)
  })

  it('fetches for the scheme of the client where Kong trusts the plugin server', async () => {
    await start('127.0.0.1')
    assert.equal(await ask(), '200 answer 1')
    assert.equal(await ask(), '200 answer 2')
    assert.deepEqual(schemes, ['https', 'https'])
    assert.deepEqual(
      gateway.log.filter(({ message }) => message.includes('another scheme')),
      [],
    )
  })
})
