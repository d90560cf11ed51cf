import assert from 'node:assert/strict'
import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import jsonwebtoken, { type SignOptions } from 'jsonwebtoken'
import { toSigningKey } from '../../../plugins/upstream-token/signing-key.ts'
import { startUpstream, type TestUpstream } from '../../support/upstream.ts'

type Verify = (token: string | undefined) => Promise<object>
const FILE = path.resolve(import.meta.dirname, '../../../../plugins/upstream-token/verifiers/node.mjs')

/** What Flask's takes and refuses is tested with the sample services. */
describe('the verifier for Node.js', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { kid, jwk } = toSigningKey(privateKey, 0)
  const pem = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString()
  let jwks: TestUpstream
  let verify: Verify
  before(async () => {
    jwks = await startUpstream((_, response) => response.end(JSON.stringify({ keys: [jwk] })))
    const { createVerifier } = (await import(pathToFileURL(FILE).href)) as {
      createVerifier(options: { jwksUrl: string; audience: string }): Verify
    }
    verify = createVerifier({ jwksUrl: jwks.url, audience: 'products' })
  })
  after(() => jwks.close())

  const token = (claims: object, options: SignOptions = {}, key: KeyObject | string = privateKey) =>
    jsonwebtoken.sign({ iss: 'sluice', aud: 'products', sub: 'c', ...claims }, key, {
      algorithm: 'ES256',
      keyid: kid,
      expiresIn: 60,
      ...options,
    })

  it('takes the token of the gateway', async () => {
    assert.equal(((await verify(token({}))) as { sub: string }).sub, 'c')
  })

  const head = (fields: object) =>
    Buffer.from(JSON.stringify({ typ: 'JWT', kid, ...fields })).toString('base64url')
  const claimsOf = (text: string) => text.split('.')[1]
  for (const [what, forged] of [
    ['no token', () => undefined],
    ['a text that is none', () => 'a.b.c'],
    ['an unsigned one', () => `${head({ alg: 'none' })}.${claimsOf(token({}))}.`],
    ['one without a signature', () => token({}).replace(/[^.]*$/, '')],
    // The public key taken for a shared secret.
    ['one signed by the public key', () => signedByPem()],
    ['one whose key id is a path', () => token({}, { keyid: '../../../../dev/null' })],
    ['one whose key id is a name of JavaScript', () => token({}, { keyid: '__proto__' })],
    ['one whose head names another algorithm', () => token({}).replace(/^[^.]*/, head({ alg: 'HS256' }))],
    ['one for another service', () => token({ aud: 'users' })],
    ['one for services that begin alike', () => token({ aud: 'products-internal' })],
    ['one for no service', () => token({ aud: [] })],
    ['one of another issuer', () => token({ iss: 'sluice.evil' })],
    ['an expired one', () => token({}, { expiresIn: -30 })],
  ] as const)
    it(`refuses ${what}`, async () => {
      await assert.rejects(verify(forged()))
    })

  function signedByPem(): string {
    // jsonwebtoken does not do that by itself.
    const text = `${head({ alg: 'HS256' })}.${claimsOf(token({}))}`
    return `${text}.${createHmac('sha256', pem).update(text).digest('base64url')}`
  }
})
