import { createHmac, hash } from 'node:crypto'

/** Stands for a key in events: whoever knows the key and the secret can compute it, nobody can go back. */
export interface Fingerprint {
  /** HMAC-SHA256(secret, key), hexadecimal. */
  readonly value: string
  /** Which secret it was made with; changes when the secret is rotated. */
  readonly secretId: string
}

export interface Fingerprinter {
  readonly secretId: string
  of(key: Uint8Array | string): string
}

/** The least length of a secret, characters: 128 bits in base64. */
export const MIN_SECRET_LENGTH = 22

export function createFingerprinter(secret: string): Fingerprinter {
  // A different message than any key: the id must say nothing about a fingerprint.
  const secretId = hash('sha256', `sluice fingerprint secret\0${secret}`, 'hex').slice(0, 8)
  return { secretId, of: key => createHmac('sha256', secret).update(key).digest('hex') }
}
