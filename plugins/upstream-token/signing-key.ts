import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { SluiceError } from '../../sdk/sdk.ts'

/** The public half as JWKS consumers read it (RFC 7517). */
export interface PublicJwk {
  readonly kty: 'EC'
  readonly crv: 'P-256'
  readonly x: string
  readonly y: string
  readonly kid: string
  readonly use: 'sig'
  readonly alg: 'ES256'
}

export interface SigningKey {
  /** The thumbprint of the public half (RFC 7638). */
  readonly kid: string
  /** It signs from then on, seconds since the epoch; it is published before. */
  readonly notBefore: number
  readonly privateKey: KeyObject
  readonly jwk: PublicJwk
}

/**
 * Reads the PEM text of a private key.
 *
 * @param where names the file in errors, which never hold a part of it.
 * @throws SluiceError SLUICE_TOKEN_KEYS for what is no private key on P-256, the only curve of ES256.
 */
export function readPrivateKey(pem: string, where: string): KeyObject {
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch {
    throw new SluiceError('SLUICE_TOKEN_KEYS', `${where} holds no private key in PEM form`)
  }
  const kind = describeKey(key)
  if (kind !== 'EC key on prime256v1')
    throw new SluiceError('SLUICE_TOKEN_KEYS', `${where} holds an ${kind}; ES256 needs an EC key on P-256`)
  return key
}

function describeKey({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string {
  const { namedCurve, modulusLength } = asymmetricKeyDetails ?? {}
  if (asymmetricKeyType === 'ec') return `EC key on ${namedCurve}`
  return modulusLength === undefined
    ? `${asymmetricKeyType} key`
    : `${asymmetricKeyType?.toUpperCase()} key of ${modulusLength} bits`
}

export function toSigningKey(privateKey: KeyObject, notBefore: number): SigningKey {
  const { x = '', y = '' } = createPublicKey(privateKey).export({ format: 'jwk' })
  const kid = thumbprint(x, y)
  const jwk: PublicJwk = { kty: 'EC', crv: 'P-256', x, y, kid, use: 'sig', alg: 'ES256' }
  return { kid, notBefore, privateKey, jwk }
}

/** RFC 7638: the required members in the order of their names, without white space. */
function thumbprint(x: string, y: string): string {
  return createHash('sha256')
    .update(JSON.stringify({ crv: 'P-256', kty: 'EC', x, y }))
    .digest('base64url')
}
