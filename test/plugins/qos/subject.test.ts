import assert from 'node:assert/strict'
import fc from 'fast-check'
import { createNetworks } from '../../../plugins/qos/sources.ts'
import { digest, networkOf, parseSubject, safe } from '../../../plugins/qos/subject.ts'

describe('the subject of a request', () => {
  it('is an IPv4 address, or the network of an IPv6 address, however it is written', () => {
    const cases: [address: string, prefix: number, network: string][] = [
      ['192.0.2.1', 64, '192.0.2.1'],
      ['::ffff:192.0.2.1', 64, '192.0.2.1'],
      ['2001:db8:1:2:3:4:5:6', 64, '2001:db8:1:2::/64'],
      ['2001:0DB8:0001:0002::9', 64, '2001:db8:1:2::/64'],
      ['2001:db8:1:2ff:3:4:5:6', 56, '2001:db8:1:200::/56'],
      ['2001:db8:ffff::1', 33, '2001:db8:8000::/33'],
      ['::1', 128, '0:0:0:0:0:0:0:1/128'],
      ['::1', 64, '0::/64'],
      ['fe80::1%eth0', 64, 'fe80::/64'],
      ['64:ff9b::192.0.2.33', 128, '64:ff9b:0:0:0:0:c000:221/128'],
    ]
    for (const [address, prefix, network] of cases) assert.equal(networkOf(address, prefix), network, address)
  })

  it('is one for all addresses of a network, and another for the next network', () => {
    const group = fc.integer({ min: 0, max: 0xffff })
    fc.assert(
      fc.property(
        fc.array(group, { minLength: 8, maxLength: 8 }),
        fc.array(group, { minLength: 4, maxLength: 4 }),
        (a, b) => {
          const hex = (groups: readonly number[]) => groups.map(g => g.toString(16)).join(':')
          const neighbour = [...a.slice(0, 4), ...b]
          const stranger = [...a.slice(0, 3), a[3]! ^ 1, ...a.slice(4)]
          assert.equal(networkOf(hex(a), 64), networkOf(hex(neighbour), 64))
          assert.notEqual(networkOf(hex(a), 64), networkOf(hex(stranger), 64))
        },
      ),
    )
  })

  it('stands for itself when it is no address, and never breaks a key', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), text => {
        for (const part of [safe(text), networkOf(text, 64)]) assert.match(part, /^[\w.:@/-]{1,64}$/)
      }),
    )
    assert.notEqual(networkOf('unix:', 64), networkOf('not an address', 64))
    assert.notEqual(safe('a}b'), safe('a{b'))
    assert.equal(safe('/orders/7'), '/orders/7')
  })

  it('is never a header value as it is', () => {
    assert.equal(digest('secret').length, 22)
    assert.notEqual(digest('secret'), digest('Secret'))
  })

  it('is named by words and header names only', () => {
    assert.deepEqual(parseSubject('header:X-Tenant'), { by: 'header', header: 'x-tenant' })
    for (const text of ['', 'Consumer', 'header:', 'header:a b', 'header:a\r\nb', 'ip ', '__proto__'])
      assert.equal(parseSubject(text), undefined, JSON.stringify(text))
  })
})

describe('trusted sources', () => {
  it('hold addresses and networks of both families', () => {
    const networks = createNetworks(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32', '::1'])
    assert.deepEqual(networks.wrong, [])
    for (const address of ['10.255.0.1', '192.0.2.7', '2001:db8:ffff::1', '::1'])
      assert.ok(networks.has(address), address)
    for (const address of [
      '11.0.0.1',
      '192.0.2.8',
      '2001:db9::1',
      '::2',
      '',
      'unix:',
      '10.0.0',
      '10.0.0.1, 1.2.3.4',
    ])
      assert.equal(networks.has(address), false, address)
  })

  it('name what is neither', () => {
    const entries = [
      '10.0.0.0/33',
      '10.0.0.0/',
      '10.0.0.0/8/8',
      'localhost',
      '2001:db8::/129',
      '10.0.0.0/-1',
      '',
    ]
    assert.deepEqual(createNetworks(entries).wrong, entries)
  })
})
