import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  credentialsDigest,
  readStamp,
  STAMP_LIVES_MS,
  type Stamp,
  writeStamp,
} from '../../../plugin-server/loopback/stamp.ts'

const SECRET = 'a secret of at least thirty-two characters'
const stamp: Stamp = {
  purpose: 'refresh',
  clientIp: '2001:db8::1',
  depth: 2,
  nonce: 'n-1',
  expiresAtMs: 5000,
}
const request = { method: 'GET', target: '/a?b=c', credentials: credentialsDigest({ apikey: 'k' }) }

describe('the stamp of an internal request', () => {
  const written = writeStamp(SECRET, stamp, request)

  it('says what was written, until it expires', () => {
    assert.deepEqual(readStamp(SECRET, written, request, 4999), stamp)
    assert.equal(readStamp(SECRET, written, request, 5000), undefined)
    assert.equal(STAMP_LIVES_MS, 5000)
    // By a clock that is more than one life behind, nobody knows when it was made.
    assert.deepEqual(readStamp(SECRET, written, request, 5000 - 2 * STAMP_LIVES_MS), stamp)
    assert.equal(readStamp(SECRET, written, request, 4999 - 2 * STAMP_LIVES_MS), undefined)
  })

  it('belongs to one request and one secret', () => {
    const others = [
      { ...request, method: 'POST' },
      { ...request, target: '/a?b=d' },
      { ...request, credentials: credentialsDigest({ apikey: 'other' }) },
      ...['authorization', 'cookie', 'proxy-authorization'].map(name => ({
        ...request,
        credentials: credentialsDigest({ apikey: 'k', [name]: 'more' }),
      })),
    ]
    for (const other of others) assert.equal(readStamp(SECRET, written, other, 1), undefined)
    assert.equal(readStamp(`${SECRET}x`, written, request, 1), undefined)
  })

  it('is none after any change', () => {
    fc.assert(
      fc.property(fc.nat(written.length - 1), fc.constantFrom('A', 'z', '0', '.', '-', ''), (at, letter) => {
        const changed = written.slice(0, at) + letter + written.slice(at + 1)
        // The last letters of base64 may stand for bits that are not there.
        fc.pre(
          Buffer.from(changed.split('.')[1] ?? '', 'base64url').toString('hex') !==
            Buffer.from(written.split('.')[1]!, 'base64url').toString('hex') ||
            changed.split('.')[0] !== written.split('.')[0],
        )
        assert.equal(readStamp(SECRET, changed, request, 1), undefined)
      }),
    )
    for (const nonsense of ['', '.', 'a.b.c', '..', 'ü.ü'])
      assert.equal(readStamp(SECRET, nonsense, request, 1), undefined)
  })
})
