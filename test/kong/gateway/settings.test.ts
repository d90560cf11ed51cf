import assert from 'node:assert/strict'
import path from 'node:path'
import { SluiceError } from '../../../foundation/errors.ts'
import { readGatewaySettings } from '../../../kong/gateway/settings.ts'

const read = (env: Readonly<Record<string, string>>) => readGatewaySettings(env, ['cors', 'jwt'])

describe('the settings of the local gateway', () => {
  it('listen on loopback, run the bundled plugins and keep the state in memory by default', () => {
    const settings = read({})
    assert.deepEqual(
      settings.proxyListen.map(({ host, port }) => `${host}:${port}`),
      ['127.0.0.1:8000'],
    )
    assert.deepEqual(
      settings.adminListen.map(({ host, port }) => `${host}:${port}`),
      ['127.0.0.1:8001'],
    )
    assert.deepEqual(settings.plugins, ['cors', 'jwt'])
    assert.equal(settings.databaseLess, false)
    assert.equal(settings.realIp.isTrusted('127.0.0.1'), false)
    assert.deepEqual(settings.notices, [])
  })

  it('spell out the bundled plugins among others, and know none', () => {
    assert.deepEqual(read({ KONG_PLUGINS: 'bundled, mine' }).plugins, ['cors', 'jwt', 'mine'])
    assert.deepEqual(read({ KONG_PLUGINS: 'off' }).plugins, [])
  })

  it('read addresses as Kong writes them, with the words behind them', () => {
    const { proxyListen, adminListen } = read({
      KONG_PROXY_LISTEN: '0.0.0.0:80 reuseport backlog=16384, [::1]:8443 http2 ssl',
      KONG_ADMIN_LISTEN: 'off',
    })
    assert.deepEqual(
      proxyListen.map(({ host, port, ssl, http2 }) => [host, port, ssl, http2]),
      [
        ['0.0.0.0', 80, false, false],
        ['::1', 8443, true, true],
      ],
    )
    assert.deepEqual(adminListen, [])
  })

  it('say what they cannot do instead of leaving it out in silence', () => {
    const { adminListen, notices } = read({
      KONG_ADMIN_LISTEN: '127.0.0.1:1, 127.0.0.1:2 ssl',
      KONG_DATABASE: 'postgres',
      KONG_ROUTER_FLAVOR: 'traditional',
    })
    assert.equal(adminListen.length, 1)
    assert.deepEqual(notices.map(notice => /^KONG_\w+/.exec(notice)?.[0]).sort(), [
      'KONG_ADMIN_LISTEN',
      'KONG_DATABASE',
      'KONG_ROUTER_FLAVOR',
    ])
  })

  it('trust addresses and ranges of both families', () => {
    const { isTrusted } = read({ KONG_TRUSTED_IPS: '10.0.0.0/8, 2001:db8::/32, 192.168.1.1' }).realIp
    for (const ip of ['10.9.9.9', '192.168.1.1', '2001:db8::5']) assert.equal(isTrusted(ip), true, ip)
    for (const ip of ['11.0.0.1', '192.168.1.2', '2001:db9::', 'no address'])
      assert.equal(isTrusted(ip), false, ip)
  })

  it('read a declarative file without a database only, from the folder of the process', () => {
    const { declarativeConfig } = read({ KONG_DATABASE: 'off', KONG_DECLARATIVE_CONFIG: 'kong.yaml' })
    assert.equal(declarativeConfig, path.resolve('kong.yaml'))
    assert.throws(() => read({ KONG_DECLARATIVE_CONFIG: 'kong.yaml' }), /is read only with KONG_DATABASE=off/)
  })

  it('take a certificate only with its key, both in PEM, and name a file that cannot be read', () => {
    const read = (cert: string) => () =>
      readGatewaySettings({ KONG_SSL_CERT: cert, KONG_SSL_CERT_KEY: cert }, [])
    assert.throws(
      read(import.meta.filename),
      /KONG_SSL_CERT: is no certificate with the key of KONG_SSL_CERT_KEY/,
    )
    assert.throws(read(import.meta.dirname), /KONG_SSL_CERT: cannot read .*: it is a folder/)
  })

  it('name every wrong variable at once', () => {
    assert.throws(
      () =>
        read({
          KONG_LOG_LEVEL: 'loud',
          KONG_TRUSTED_IPS: 'x',
          KONG_REAL_IP_RECURSIVE: 'maybe',
          KONG_PROXY_LISTEN: 'x y',
        }),
      (error: unknown) =>
        error instanceof SluiceError &&
        error.code === 'SLUICE_GATEWAY_CONFIG' &&
        ['LOG_LEVEL', 'TRUSTED_IPS', 'REAL_IP_RECURSIVE', 'PROXY_LISTEN'].every(name =>
          error.message.includes(`KONG_${name}: `),
        ),
    )
  })
})
