import assert from 'node:assert/strict'
import { HeaderMap } from '../../../../kong/gateway/proxy/header-map.ts'
import { clientAddress } from '../../../../kong/gateway/proxy/real-ip.ts'
import { startTestGateway } from '../../../support/gateway.ts'
import { startUpstream } from '../../../support/upstream.ts'

const PEER = { ip: '10.0.0.1', port: 5 }
const isTrusted = (ip: string) => ip.startsWith('10.')

function addressOf(header: string, values: readonly string[], isRecursive = false): string {
  const headers = HeaderMap.fromRaw(values.flatMap(value => [header, value]))
  const { ip, port } = clientAddress(PEER, headers, { isTrusted, header, isRecursive })
  return `${ip} ${port}`
}

describe('the address of a client behind a proxy', () => {
  it('is that of the connection where the proxy is not trusted', () => {
    const headers = HeaderMap.fromRaw(['x-real-ip', '1.1.1.1'])
    const rule = { isTrusted: () => false, header: 'x-real-ip', isRecursive: true }
    assert.deepEqual(clientAddress(PEER, headers, rule), PEER)
  })

  const cases: readonly (readonly [
    what: string,
    header: string,
    values: string[],
    recursive: boolean,
    found: string,
  ])[] = [
    ['the header', 'x-real-ip', ['1.1.1.1'], false, '1.1.1.1 0'],
    ['its port, too', 'x-real-ip', ['1.1.1.1:80'], false, '1.1.1.1 80'],
    ['IPv6', 'x-real-ip', ['2001:db8::1'], false, '2001:db8::1 0'],
    ['IPv6 in brackets with a port', 'x-real-ip', ['[2001:db8::1]:81'], false, '2001:db8::1 81'],
    ['the last one of several', 'x-forwarded-for', ['1.1.1.1, 2.2.2.2'], false, '2.2.2.2 0'],
    ['the last one of several lines', 'x-forwarded-for', ['1.1.1.1', '2.2.2.2'], false, '2.2.2.2 0'],
    [
      'a trusted one, where it is not recursive',
      'x-forwarded-for',
      ['1.1.1.1, 10.9.9.9'],
      false,
      '10.9.9.9 0',
    ],
    ['the last that is not trusted', 'x-forwarded-for', ['3.3.3.3, 1.1.1.1, 10.9.9.9'], true, '1.1.1.1 0'],
    ['the first, where all are trusted', 'x-forwarded-for', ['10.8.8.8, 10.9.9.9'], true, '10.8.8.8 0'],
    ['what stands behind one that is none', 'x-forwarded-for', ['1.1.1.1, x, 10.9.9.9'], true, '10.9.9.9 0'],
    ['the connection, without an address', 'x-real-ip', ['unknown'], false, '10.0.0.1 5'],
    ['the connection, without the header', 'x-real-ip', [], false, '10.0.0.1 5'],
  ]
  for (const [what, header, values, recursive, found] of cases)
    it(`is ${what}`, () => {
      assert.equal(addressOf(header, values, recursive), found)
    })

  it('is what plugins limit by, and what the upstream is told', async () => {
    const upstream = await startUpstream((request, response) => {
      const { 'x-real-ip': real, 'x-forwarded-for': via, 'x-forwarded-proto': scheme } = request.headers
      response.end(JSON.stringify([real, via, scheme]))
    })
    const gateway = await startTestGateway({
      KONG_TRUSTED_IPS: '127.0.0.0/8,10.0.0.0/8',
      KONG_REAL_IP_HEADER: 'X-Forwarded-For',
      KONG_REAL_IP_RECURSIVE: 'on',
    })
    try {
      await gateway.admin('POST', '/services', { name: 's', url: upstream.url })
      await gateway.admin('POST', '/services/s/routes', { paths: ['/'] })
      await gateway.admin('POST', '/plugins', {
        name: 'rate-limiting',
        config: { hour: 1, limit_by: 'ip', policy: 'local' },
      })
      const ask = async (from: string) => {
        const headers = { 'x-forwarded-for': from, 'x-forwarded-proto': 'https' }
        const response = await fetch(gateway.proxyUrl, { headers })
        return [response.status, await response.json()]
      }
      assert.deepEqual(await ask('1.1.1.1, 10.2.2.2'), [
        200,
        ['1.1.1.1', '1.1.1.1, 10.2.2.2, 127.0.0.1', 'https'],
      ])
      assert.equal((await ask('1.1.1.1'))[0], 429)
      assert.equal((await ask('2.2.2.2'))[0], 200)
    } finally {
      await gateway.close()
      await upstream.close()
    }
  })
})
