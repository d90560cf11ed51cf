import assert from 'node:assert/strict'
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { keySetOf } from '../../../plugins/upstream-token/jwks.ts'
import { MANIFEST, readKeyFolder } from '../../../plugins/upstream-token/key-folder.ts'
import { keyStates } from '../../../plugins/upstream-token/key-states.ts'
import { rotate } from '../../../plugins/upstream-token/rotation.ts'
import { readPrivateKey, toSigningKey } from '../../../plugins/upstream-token/signing-key.ts'
import { makeFolder, type TestFolder } from '../../support/folder.ts'

const NOW = 1_800_000_000
const TOKENS_OUT_AFTER = 3_600 + 300
const pemOf = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString()

describe('the folder of signing keys', () => {
  let folder: TestFolder
  beforeEach(() => {
    folder = makeFolder()
  })
  afterEach(() => folder.remove())
  const rotateAt = (now: number, options: { inSeconds?: number; revoke?: boolean } = {}) =>
    rotate(folder.path, { now, inSeconds: 600, revoke: false, ...options })
  const kids = () => readKeyFolder(folder.path).map(({ kid }) => kid)
  const write = (name: string, text: string) => writeFileSync(path.join(folder.path, name), text)
  const manifest = (keys: unknown, version: unknown = 1) => write(MANIFEST, JSON.stringify({ version, keys }))

  it('gets a first key that signs at once, readable by its owner only', () => {
    const { kid, signsFrom } = rotateAt(NOW)
    assert.equal(signsFrom, NOW)
    assert.deepEqual(kids(), [kid])
    assert.equal(statSync(path.join(folder.path, `${kid}.pem`)).mode & 0o777, 0o600)
    // Nothing of the private half.
    const [published] = keySetOf(readKeyFolder(folder.path)).keys
    assert.deepEqual(Object.keys(published ?? {}).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
  })

  it('gets further keys that sign later, and keeps the one before until its tokens have expired', () => {
    const first = rotateAt(NOW)
    const second = rotateAt(NOW + 1_000)
    assert.equal(second.signsFrom, NOW + 1_600)
    assert.deepEqual(kids(), [first.kid, second.kid])
    const third = rotateAt(NOW + 1_600 + TOKENS_OUT_AFTER - 1)
    assert.deepEqual(third.removed, [])
    const fourth = rotateAt(NOW + 1_600 + TOKENS_OUT_AFTER)
    assert.deepEqual(fourth.removed, [first.kid])
    assert.equal(existsSync(path.join(folder.path, `${first.kid}.pem`)), false)
  })

  it('drops every other key at once when they are revoked', () => {
    const first = rotateAt(NOW)
    const second = rotateAt(NOW + 10, { revoke: true })
    assert.deepEqual(second.removed, [first.kid])
    assert.equal(second.signsFrom, NOW + 10)
    assert.deepEqual(kids(), [second.kid])
  })

  it('refuses a second rotation at once, and says what to do after one that was interrupted', () => {
    rotateAt(NOW)
    write('rotating', '')
    assert.throws(() => rotateAt(NOW), /another rotation is under way.*remove .*rotating/)
  })

  it('leaves no file behind but the keys and the manifest', () => {
    const { kid } = rotateAt(NOW)
    assert.deepEqual(readdirSync(folder.path).sort(), [MANIFEST, `${kid}.pem`].sort())
  })

  it('always has one key that signs, and only keys whose tokens may be good', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 10_000 }), { maxLength: 6 }), pauses => {
        const own = makeFolder()
        try {
          let now = NOW
          for (const pause of pauses) {
            now += pause
            rotate(own.path, { now, inSeconds: 600, revoke: false })
            const states = keyStates(readKeyFolder(own.path), now)
            assert.equal(states.filter(({ state }) => state === 'signing').length, 1)
            assert.ok(states.every(({ until = now + 1 }) => until > now))
          }
        } finally {
          own.remove()
        }
      }),
      { numRuns: 20 },
    )
  })

  const wrong: readonly (readonly [string, () => void, RegExp])[] = [
    ['a folder without a manifest', () => {}, /cannot read .*keys\.json: ENOENT/],
    ['a manifest that is not JSON', () => write(MANIFEST, '{'), /keys\.json is not JSON/],
    ['a manifest of another version', () => manifest([], 2), /has the version 2, not 1/],
    ['a manifest that is null', () => write(MANIFEST, 'null'), /has the version undefined, not 1/],
    ['keys that are no list', () => manifest({ length: 0 }), /must be a list of/],
    [
      'more than 100 keys',
      () => manifest(Array.from({ length: 101 }, () => ({ kid: 'a', file: 'a.pem', not_before: 0 }))),
      /must be a list of/,
    ],
    ...[
      null,
      'a.pem',
      { file: 'a.pem', not_before: 0 },
      { kid: 1, file: 'a.pem', not_before: 0 },
      { kid: 'a', not_before: 0 },
      { kid: 'a', file: 1, not_before: 0 },
      { kid: 'a', file: 'a.pem' },
      { kid: 'a', file: 'a.pem', not_before: 1.5 },
      { kid: 'a', file: 'a.pem', not_before: '0' },
    ].map(
      entry =>
        [
          `${JSON.stringify(entry)} for a key`,
          () => manifest([entry]),
          /keys\.json: .*must be a list of/,
        ] as const,
    ),
    ['a manifest without keys', () => manifest([]), /names no key/],
    [
      'a path that leads elsewhere',
      () => manifest([{ kid: 'a', file: '../a.pem', not_before: 0 }]),
      /must be a list of/,
    ],
    [
      'a key that is missing',
      () => manifest([{ kid: 'a', file: 'a.pem', not_before: 0 }]),
      /cannot read .*a\.pem: ENOENT/,
    ],
    [
      'a key that is no key',
      () => {
        manifest([{ kid: 'a', file: 'a.pem', not_before: 0 }])
        write('a.pem', '-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n')
      },
      /a\.pem holds no private key in PEM form$/,
    ],
    [
      'another key than the manifest says',
      () => {
        manifest([{ kid: 'a', file: 'a.pem', not_before: 0 }])
        write('a.pem', pemOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey))
      },
      /a\.pem is another key than keys\.json says/,
    ],
  ]
  for (const [what, make, message] of wrong)
    it(`refuses ${what}`, () => {
      make()
      assert.throws(() => readKeyFolder(folder.path), message)
    })

  it('refuses keys that are too short for ES256, or of another kind', () => {
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey
    const curve = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey
    assert.throws(() => readPrivateKey(pemOf(short), 'a.pem'), /a\.pem holds an RSA key of 1024 bits/)
    assert.throws(() => readPrivateKey(pemOf(curve), 'a.pem'), /EC key on secp384r1; ES256 needs/)
  })

  it('names a key by the thumbprint of RFC 7638', () => {
    // The key of RFC 7515, appendix A.3; the thumbprint was computed by hand with Python's hashlib.
    const key = readPrivateKey(pemOf(importKey()), 'a.pem')
    assert.equal(toSigningKey(key, 0).kid, 'oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U')
  })

  it('is read in the order in which its keys sign, whatever the order of the manifest', () => {
    const [first, second, third] = [rotateAt(NOW), rotateAt(NOW + 1), rotateAt(NOW + 2)]
    const file = path.join(folder.path, MANIFEST)
    const { keys } = JSON.parse(readFileSync(file, 'utf8')) as { keys: unknown[] }
    manifest(keys.reverse())
    assert.deepEqual(kids(), [first.kid, second.kid, third.kid])
  })

  it('says of each key what it does, also where the time of none has come', () => {
    rotateAt(NOW)
    rotateAt(NOW + 1)
    rotateAt(NOW + 100)
    const states = (now: number) =>
      keyStates(readKeyFolder(folder.path), now).map(one => [one.state, one.until])
    const never = undefined
    assert.deepEqual(states(NOW - 10), [
      ['signing', never],
      ['next', never],
      ['next', never],
    ])
    assert.deepEqual(states(NOW + 601), [
      ['old', NOW + 601 + TOKENS_OUT_AFTER],
      ['signing', never],
      ['next', never],
    ])
  })

  it('is made for its owner only', () => {
    const inner = path.join(folder.path, 'keys')
    rotate(inner, { now: NOW, inSeconds: 600, revoke: false })
    assert.equal(statSync(inner).mode & 0o777, 0o700)
  })

  it('holds no secret in its manifest', () => {
    const { kid } = rotateAt(NOW)
    assert.deepEqual(JSON.parse(readFileSync(path.join(folder.path, MANIFEST), 'utf8')), {
      version: 1,
      keys: [{ kid, file: `${kid}.pem`, not_before: NOW }],
    })
  })
})

function importKey(): KeyObject {
  const d = 'jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI'
  const x = 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU'
  const y = 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0'
  return createPrivateKey({ key: { kty: 'EC', crv: 'P-256', x, y, d }, format: 'jwk' })
}
