import { createPublicKey } from 'node:crypto'
import { defineEntity } from './entity.ts'
import { checkCertificate, checkKey, readCertificate, readPrivateKey } from './pem.ts'
import { checkTag, checkWildcardName } from './validators.ts'

export type Certificate = {
  readonly id: string
  readonly created_at: number
  readonly updated_at: number
  /** PEM, as are the others. */
  readonly cert: string
  readonly key: string
  /** A second pair of another kind of key, for clients that know only that one. */
  readonly cert_alt: string | null
  readonly key_alt: string | null
  readonly tags: readonly string[] | null
}

export const certificate = defineEntity({
  name: 'certificates',
  noun: 'certificate',
  // Certificates have no name: the same PEM text is the same certificate.
  identity: [['cert']],
  declaredUnique: [],
  secrets: ['key', 'key_alt'],
  shownBy: [],
  writeOnly: ['snis'],
  rules: {
    '': {
      checks: [
        ({ cert, key }: Pair) => (isPair(cert, key) ? undefined : 'certificate does not match key'),
        ({ cert_alt, key_alt }: Pair) =>
          isPair(cert_alt, key_alt) ? undefined : 'alternative certificate does not match key',
        checkKinds,
      ],
    },
    cert: checkCertificate,
    key: checkKey,
    cert_alt: checkCertificate,
    key_alt: checkKey,
    'snis.elements': checkWildcardName,
    'tags.elements': checkTag,
  },
})

/** Where a certificate is changed or replaced, Kong takes one name without a list around it. */
export const withNameList = (given: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  typeof given.snis === 'string' ? { ...given, snis: [given.snis] } : given

type Pair = Readonly<Partial<Record<'cert' | 'key' | 'cert_alt' | 'key_alt', string | null>>>

/** Whether the key is that of the certificate; also where one of them is missing or unreadable. */
function isPair(cert: string | null | undefined, key: string | null | undefined): boolean {
  const certificate = cert ? readCertificate(cert) : undefined
  const privateKey = key ? readPrivateKey(key) : undefined
  return !certificate || !privateKey || certificate.publicKey.equals(createPublicKey(privateKey))
}

function checkKinds({ cert, cert_alt }: Pair): string | undefined {
  const [one, other] = [cert, cert_alt].map(
    text => (text ? readCertificate(text) : undefined)?.publicKey.asymmetricKeyType,
  )
  return one !== undefined && one === other
    ? 'certificate and alternative certificate need to have different type (e.g. RSA and ECDSA), the provided certificates were both of the same type'
    : undefined
}
