import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'

/** Certificates and keys in PEM, with what Kong (OpenSSL) says of broken ones. */

const NO_CERTIFICATE =
  'x509.new: error:0480006C:PEM routines:get_name:no start line:crypto/pem/pem_lib.c:763:'
const NO_KEY =
  'pkey.new:load_key: error:1E08010C:DECODER routines:OSSL_DECODER_from_bio:unsupported:crypto/encode_decode/decoder_lib.c:102:'

/** Nothing where the text is no certificate. */
export function readCertificate(text: string): X509Certificate | undefined {
  return attempt(() => new X509Certificate(text))
}

/** The public half of a key, be it private or public; nothing where the text is no key. */
export function readKey(text: string): KeyObject | undefined {
  // Node.js takes a certificate for its key, which Kong does not.
  return /-----BEGIN [A-Z ]*KEY-----/.test(text) ? attempt(() => createPublicKey(text)) : undefined
}

export const readPrivateKey = (text: string): KeyObject | undefined => attempt(() => createPrivateKey(text))

export function checkCertificate(text: string): string | undefined {
  return readCertificate(text) ? undefined : `invalid certificate: ${NO_CERTIFICATE}`
}

export function checkKey(text: string): string | undefined {
  return readPrivateKey(text) || readKey(text) ? undefined : `invalid key: ${NO_KEY}`
}

/** A pair of keys, of which one may be left out. */
export function checkKeyPair(pair: {
  readonly public_key?: string | null
  readonly private_key?: string | null
}): string | undefined {
  const publicKey = pair.public_key ? readKey(pair.public_key) : undefined
  const privateKey = pair.private_key ? readPrivateKey(pair.private_key) : undefined
  if (pair.public_key && !publicKey) return 'could not load public key'
  if (pair.private_key && !privateKey) return `could not load private key${NO_KEY}`
  if (!publicKey || !privateKey) return undefined
  return publicKey.equals(createPublicKey(privateKey)) ? undefined : 'public key does not match private key'
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
