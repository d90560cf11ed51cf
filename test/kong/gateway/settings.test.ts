import assert from 'node:assert/strict'
import { SluiceError } from '../../../foundation/errors.ts'
import { readGatewaySettings } from '../../../kong/gateway/settings.ts'

const read = (environment: Readonly<Record<string, string>>) =>
  readGatewaySettings(environment, ['acl', 'jwt'])

describe('the settings of the gateway', () => {
  it('are safe where nothing is said: loopback, without TLS, nobody trusted', () => {
    const { proxyListen, adminListen, statusListen, realIp, routerFlavor, notices } = read({})
    assert.deepEqual(proxyListen, [{ host: '127.0.0.1', port: 8000, ssl: false, http2: false }])
    assert.equal(adminListen[0]?.host, '127.0.0.1')
    assert.deepEqual(statusListen, [])
    assert.equal(realIp.isTrusted('127.0.0.1'), false)
    assert.equal(routerFlavor, 'traditional_compatible')
    assert.deepEqual(notices, [])
  })

  it('take the words behind an address of a listener', () => {
    const { proxyListen, notices } = read({
      KONG_PROXY_LISTEN: '0.0.0.0:80 reuseport backlog=16384, [::]:8443 http2 ssl, 127.0.0.1:81 http2',
    })
    assert.deepEqual(
      proxyListen.map(({ host, port, ssl, http2 }) => [host, port, ssl, http2]),
      [
        ['0.0.0.0', 80, false, false],
        ['::', 8443, true, true],
        ['127.0.0.1', 81, false, false],
      ],
    )
    assert.deepEqual(notices, [
      'KONG_PROXY_LISTEN: 127.0.0.1:81 speaks HTTP/1.1 only: HTTP/2 is not supported without TLS',
    ])
  })

  it('leave TLS of the Admin API out, and say so', () => {
    const { adminListen, notices } = read({ KONG_ADMIN_LISTEN: '127.0.0.1:8001, 127.0.0.1:8444 ssl' })
    assert.equal(adminListen.length, 1)
    assert.match(notices[0] ?? '', /KONG_ADMIN_LISTEN: 127\.0\.0\.1:8444 is left out/)
  })

  it('read whom the gateway trusts', () => {
    const { realIp } = read({
      KONG_TRUSTED_IPS: '10.0.0.0/8, 192.168.1.1, 2001:db8::/32',
      KONG_REAL_IP_HEADER: 'X-Forwarded-For',
      KONG_REAL_IP_RECURSIVE: 'on',
    })
    const trusted = ['10.1.2.3', '192.168.1.1', '192.168.1.2', '2001:db8::5', '2001:db9::5', 'nonsense']
    assert.deepEqual(trusted.map(realIp.isTrusted), [true, true, false, true, false, false])
    assert.deepEqual([realIp.header, realIp.isRecursive], ['x-forwarded-for', true])
  })

  it('name every wrong variable at once', () => {
    assert.throws(
      () =>
        read({
          KONG_PROXY_LISTEN: 'nowhere',
          KONG_ROUTER_FLAVOR: 'modern',
          KONG_TRUSTED_IPS: 'somebody',
          KONG_REAL_IP_RECURSIVE: 'perhaps',
          KONG_SSL_CERT: '/only/one',
          KONG_LOG_LEVEL: 'loud',
        }),
      (error: unknown) => {
        assert.ok(error instanceof SluiceError)
        const { problems } = error.details as { readonly problems: readonly string[] }
        assert.deepEqual(problems.map(problem => problem.split(':', 1)[0]).sort(), [
          'KONG_LOG_LEVEL',
          'KONG_PROXY_LISTEN',
          'KONG_REAL_IP_RECURSIVE',
          'KONG_ROUTER_FLAVOR',
          'KONG_SSL_CERT',
          'KONG_TRUSTED_IPS',
        ])
        return true
      },
    )
  })
})
