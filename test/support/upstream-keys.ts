import { createHash, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import jsonwebtoken from 'jsonwebtoken'

export interface TokenClaims {
  /** The service. */
  readonly aud: string
  readonly sub?: string
  /** The user behind the consumer. */
  readonly act_sub?: string
  readonly iss?: string
  /** Seconds from now; may lie in the past. */
  readonly lifetime?: number
}

/** Signs upstream tokens as the gateway does, and serves the public keys. */
export interface UpstreamKeys {
  readonly jwksUrl: string
  /** How often the keys were fetched. */
  readonly fetches: number
  /** Whether it answers with the keys; else it says 503, what is no set of keys, or half of an answer. */
  answers: 'keys' | '503' | 'nonsense' | 'half'
  token(claims: TokenClaims): string
  /** Signs with a new key from now on, and publishes it beside the old ones. */
  rotate(): void
  close(): Promise<void>
}

interface Key {
  readonly kid: string
  readonly privateKey: KeyObject
  readonly jwk: object
}

export async function serveUpstreamKeys(): Promise<UpstreamKeys> {
  const keys = [newKey()]
  let fetches = 0
  const server = createServer((_, response) => {
    fetches++
    const { answers } = upstream
    const body = answers === 'nonsense' ? '[]' : JSON.stringify({ keys: keys.map(({ jwk }) => jwk) })
    response.writeHead(answers === '503' ? 503 : 200, { 'content-length': body.length })
    if (answers === 'half') response.write(body.slice(10), () => response.destroy())
    else response.end(body)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const upstream: UpstreamKeys = {
    jwksUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`,
    get fetches() {
      return fetches
    },
    answers: 'keys',
    token: claims => sign(keys.at(-1)!, claims),
    rotate() {
      keys.push(newKey())
    },
    async close() {
      server.closeAllConnections()
      await once(server.close(), 'close')
    },
  }
  return upstream
}

/** A token that somebody signed with a key of their own. */
export const forgedToken = (claims: TokenClaims, kid?: string): string => {
  const key = newKey()
  return sign({ ...key, kid: kid ?? key.kid }, claims)
}

function sign(
  { kid, privateKey }: Key,
  { aud, sub = 'anonymous', act_sub, iss = 'sluice', lifetime = 300 }: TokenClaims,
): string {
  const iat = Math.floor(Date.now() / 1_000) - 60
  const claims = {
    iss,
    aud,
    sub,
    ...(act_sub && { act_sub }),
    iat,
    exp: iat + 60 + lifetime,
    jti: randomUUID(),
  }
  return jsonwebtoken.sign(claims, privateKey, { algorithm: 'ES256', keyid: kid })
}

function newKey(): Key {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = publicKey.export({ format: 'jwk' })
  const members = { crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y }
  const kid = createHash('sha256').update(JSON.stringify(members)).digest('base64url')
  return { kid, privateKey, jwk: { ...jwk, kid, use: 'sig', alg: 'ES256' } }
}
