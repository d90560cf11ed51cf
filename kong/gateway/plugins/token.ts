import { constants, createHmac, createPublicKey, timingSafeEqual, verify } from 'node:crypto'

type Claims = Readonly<Record<string, unknown>>

/** A JSON Web Token (RFC 7519), taken apart but not trusted yet. */
export interface Token {
  readonly header: Claims & { readonly alg: string }
  readonly claims: Claims
  readonly signed: string
  readonly signature: Buffer
}

interface Algorithm {
  readonly kind: 'hmac' | 'rsa' | 'pss' | 'ec' | 'ed'
  readonly hash?: string
  /** Length of a signature. */
  readonly bytes?: number
}

const ALGORITHMS: Readonly<Record<string, Algorithm>> = {
  HS256: { kind: 'hmac', hash: 'sha256' },
  HS384: { kind: 'hmac', hash: 'sha384' },
  HS512: { kind: 'hmac', hash: 'sha512' },
  RS256: { kind: 'rsa', hash: 'sha256' },
  RS384: { kind: 'rsa', hash: 'sha384' },
  RS512: { kind: 'rsa', hash: 'sha512' },
  PS256: { kind: 'pss', hash: 'sha256', bytes: 256 },
  PS384: { kind: 'pss', hash: 'sha384', bytes: 256 },
  PS512: { kind: 'pss', hash: 'sha512', bytes: 256 },
  ES256: { kind: 'ec', hash: 'sha256', bytes: 64 },
  ES384: { kind: 'ec', hash: 'sha384', bytes: 96 },
  ES512: { kind: 'ec', hash: 'sha512', bytes: 132 },
  EdDSA: { kind: 'ed' },
}

/** @returns the token, or what Kong finds wrong with it */
export function decodeToken(text: string): Token | { readonly fault: string } {
  const [head, body, ...rest] = text.split('.')
  const header = decodePart(head)
  const claims = decodePart(body)
  if (!header || !claims || rest.length === 0) return { fault: 'invalid JSON' }
  const { alg } = header
  if (typeof alg !== 'string' || !Object.hasOwn(ALGORITHMS, alg)) return { fault: 'invalid alg' }
  const signature = Buffer.from(rest.join('.'), 'base64url')
  return { header: { ...header, alg }, claims, signed: `${head}.${body}`, signature }
}

function decodePart(part: string | undefined): Claims | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part ?? '', 'base64url').toString('utf8'))
    return typeof value === 'object' && value !== null ? (value as Claims) : undefined
  } catch {
    return undefined
  }
}

/** @throws when the key is no key; Kong answers 500 then */
export function isSignedBy(token: Token, key: Buffer): boolean {
  const { kind, hash, bytes } = ALGORITHMS[token.header.alg]!
  const data = Buffer.from(token.signed)
  if (kind === 'hmac') {
    const digest = createHmac(hash!, key).update(data).digest()
    return digest.length === token.signature.length && timingSafeEqual(digest, token.signature)
  }
  if (bytes !== undefined && token.signature.length !== bytes)
    throw new Error(`the signature must have ${bytes} bytes`)
  const publicKey = createPublicKey(key)
  const options =
    kind === 'ec'
      ? { key: publicKey, dsaEncoding: 'ieee-p1363' as const }
      : kind === 'pss'
        ? { key: publicKey, padding: constants.RSA_PKCS1_PSS_PADDING }
        : publicKey
  return verify(hash ?? null, data, options, token.signature)
}
