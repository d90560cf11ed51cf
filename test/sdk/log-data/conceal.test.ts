import assert from 'node:assert/strict'
import fc from 'fast-check'
import { forwardedAddress, networkOf } from '../../../sdk/log-data/address.ts'
import { concealPath, HIDDEN } from '../../../sdk/log-data/conceal.ts'
import { findKey } from '../../../sdk/log-data/key.ts'

describe('a concealed path', () => {
  it('shows what is no secret', () => {
    for (const path of ['/', '/dictionary/serendipity', '/v1/users/42', '/a-long-name-without-digits'])
      assert.equal(concealPath(path, [], 'masked'), path)
    const id = '/orders/617874d3-4bcb-46e2-be80-dd991c4fd4a7'
    assert.equal(concealPath(id, [], 'masked'), id)
  })

  it('hides a segment that looks like a key, unless the whole path was asked for', () => {
    const path = '/v1/KZ3vLw0Yq8Nn5Xb1Rt7Pj2Ms/x'
    assert.equal(concealPath(path, [], 'masked'), `/v1/${HIDDEN}/x`)
    assert.equal(concealPath(path, [], 'full'), path)
  })

  it('never shows a key of the request, however its characters are encoded', () => {
    const encodings = fc.array(fc.boolean(), { minLength: 24, maxLength: 24 })
    const key = fc
      .string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 12 })
      .filter(text => !/[/%]/.test(text))
    fc.assert(
      fc.property(key, encodings, fc.constantFrom('masked', 'full'), (secret, encode, mode) => {
        const written = [...secret]
          .map((char, i) => (encode[i] ? `%${char.charCodeAt(0).toString(16).padStart(2, '0')}` : char))
          .join('')
        const shown = concealPath(`/a/x${written}y/z`, [secret], mode as 'masked' | 'full').split('/')
        assert.equal(shown[2], HIDDEN)
      }),
    )
  })

  it('hides what is no UTF-8', () => {
    assert.equal(concealPath('/a/%ff%fe/b', [], 'full'), `/a/${HIDDEN}/b`)
    assert.equal(concealPath('/a/x\ufffdy/b', [], 'full'), `/a/${HIDDEN}/b`)
  })
})

describe('the network of an address', () => {
  it('is /24 of IPv4 and /48 of IPv6', () => {
    for (const [address, network] of [
      ['192.0.2.77', '192.0.2.0'],
      ['::ffff:192.0.2.77', '192.0.2.0'],
      ['2001:db8:abcd:12:1:2:3:4', '2001:db8:abcd::'],
      ['2001:0DB8:ABCD::1', '2001:db8:abcd::'],
      ['::1', '0:0:0::'],
      ['fe80::1%eth0', 'fe80:0:0::'],
    ] as const)
      assert.equal(networkOf(address), network)
  })

  it('is nothing of what is no address', () => {
    for (const text of ['', 'localhost', '1.2.3', '300.1.1.1', 'unix:'])
      assert.equal(networkOf(text), undefined)
  })

  it('takes every address for one', () => {
    fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), address => assert.ok(networkOf(address))))
  })
})

describe('the forwarded address', () => {
  it('is the first one, when it is one', () => {
    assert.equal(forwardedAddress(' 2001:db8::7, 10.0.0.1'), '2001:db8::7')
    for (const text of [undefined, '', 'unknown, 10.0.0.1', "'; drop table"])
      assert.equal(forwardedAddress(text), undefined)
  })
})

describe('the key of a request', () => {
  it('is read for any log data without a failure', () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), fc.string(), (headers, querystring, uri) => {
        findKey({ request: { headers, querystring, uri: `/x?${uri}` } }, ['apikey', 'x_key'])
      }),
    )
  })

  it('is found in the header before the query, and by its first name that is there', () => {
    const request = { headers: { 'x-key': 'h' }, uri: '/?apikey=q&x-key=z' }
    const find = (...names: string[]) => {
      const sight = findKey({ request }, names)
      return sight.kind === 'one' ? `${sight.location} ${sight.bytes}` : sight.kind
    }
    assert.equal(find('x-key'), 'header h')
    assert.equal(find('apikey', 'x-key'), 'query q')
    assert.equal(find('none'), 'none')
  })
})
