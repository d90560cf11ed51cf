import assert from 'node:assert/strict'
import { isIPv6 } from 'node:net'
import fc from 'fast-check'
import { ipv6Groups } from '../../foundation/ipv6.ts'

describe('the groups of an IPv6 address', () => {
  for (const [address, groups] of [
    ['::', [0, 0, 0, 0, 0, 0, 0, 0]],
    ['::1', [0, 0, 0, 0, 0, 0, 0, 1]],
    ['1::', [1, 0, 0, 0, 0, 0, 0, 0]],
    ['2001:DB8::ff00:42:8329', [0x2001, 0xdb8, 0, 0, 0, 0xff00, 0x42, 0x8329]],
    ['1:2:3:4:5:6:7:8', [1, 2, 3, 4, 5, 6, 7, 8]],
    ['::ffff:192.0.2.33', [0, 0, 0, 0, 0, 0xffff, 0xc000, 0x221]],
    ['1:2:3:4:5:6:192.0.2.33', [1, 2, 3, 4, 5, 6, 0xc000, 0x221]],
    ['fe80::1%eth0', [0xfe80, 0, 0, 0, 0, 0, 0, 1]],
  ] as const)
    it(`are read from ${address}`, () => {
      assert.ok(isIPv6(address))
      assert.deepEqual(ipv6Groups(address), groups)
    })

  it('are eight, and mean the same address, however it is written', () => {
    fc.assert(
      fc.property(fc.ipV6(), address => {
        const groups = ipv6Groups(address)
        assert.equal(groups.length, 8)
        assert.equal(
          new URL(`http://[${groups.map(group => group.toString(16)).join(':')}]/`).hostname,
          new URL(`http://[${address}]/`).hostname,
        )
      }),
    )
  })
})
