import { createPublicKey, createSecretKey, type KeyObject, verify } from 'node:crypto'
import type { Algorithm, JsonWebTokenError } from 'jsonwebtoken'

type Claims = Readonly<Record<string, unknown>>

/** A JSON Web Token (RFC 7519), taken apart but not trusted yet. */
export interface Token {
  readonly header: Claims & { readonly alg: string }
  readonly claims: Claims
  readonly text: string
}

/** Every algorithm that Kong knows, with the length of its signatures in bytes where Kong insists on one. */
const SIGNATURE_BYTES: Readonly<Record<string, number | undefined>> = {
  ...{ HS256: undefined, HS384: undefined, HS512: undefined },
  ...{ RS256: undefined, RS384: undefined, RS512: undefined },
  ...{ PS256: 256, PS384: 256, PS512: 256 },
  ...{ ES256: 64, ES384: 96, ES512: 132 },
  EdDSA: undefined,
}

/** @returns the token, or what Kong finds wrong with it */
export function decodeToken(text: string): Token | { readonly fault: string } {
  const parts = text.split('.')
  const header = decodePart(parts[0])
  const claims = decodePart(parts[1])
  if (!header || !claims || parts.length < 3) return { fault: 'invalid JSON' }
  const { alg } = header
  if (typeof alg !== 'string' || !Object.hasOwn(SIGNATURE_BYTES, alg)) return { fault: 'invalid alg' }
  return { header: { ...header, alg }, claims, text }
}

function decodePart(part: string | undefined): Claims | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part ?? '', 'base64url').toString('utf8'))
    return typeof value === 'object' && value !== null ? (value as Claims) : undefined
  } catch {
    return undefined
  }
}

/** @throws when the key is no key, or the signature of another length; Kong answers 500 then */
export type IsSigned = (token: Token, key: Buffer) => boolean

/** Loads jsonwebtoken, which takes 86 ms, and gives what checks signatures with it. */
export async function loadVerifier(): Promise<IsSigned> {
  const { default: jwt } = await import('jsonwebtoken')
  return ({ header, text }, key) => {
    const signature = Buffer.from(text.slice(text.lastIndexOf('.') + 1), 'base64url')
    const bytes = SIGNATURE_BYTES[header.alg]
    if (bytes !== undefined && signature.length !== bytes)
      throw new Error(`the signature must have ${bytes} bytes`)
    const object = keyOf(header.alg, key)
    if (header.alg === 'EdDSA') return isSignedByEd25519(text, signature, object)
    try {
      jwt.verify(text, object, {
        algorithms: [header.alg as Algorithm],
        // Kong checks claims itself, where it is told to.
        ignoreExpiration: true,
        ignoreNotBefore: true,
      })
      return true
    } catch (error) {
      if ((error as JsonWebTokenError).name === 'JsonWebTokenError') return false
      throw error
    }
  }
}

const keyOf = (alg: string, key: Buffer): KeyObject =>
  alg.startsWith('HS') ? createSecretKey(key) : createPublicKey(key)

/** jsonwebtoken knows no EdDSA. */
const isSignedByEd25519 = (text: string, signature: Buffer, key: KeyObject): boolean =>
  verify(null, Buffer.from(text.slice(0, text.lastIndexOf('.'))), key, signature)
