import { defineEntity } from './entity.ts'
import { checkCertificate, readCertificate } from './pem.ts'
import { checkTag } from './validators.ts'

export type CaCertificate = {
  readonly id: string
  readonly created_at: number
  readonly updated_at: number
  /** PEM. */
  readonly cert: string
  /** SHA-256 of its DER form, in hex. */
  readonly cert_digest: string
  readonly tags: readonly string[] | null
}

export const caCertificate = defineEntity({
  name: 'ca_certificates',
  noun: 'CA certificate',
  identity: [['cert']],
  shownBy: [],
  rules: { '': { checks: [checkAuthority] }, cert: checkCertificate, 'tags.elements': checkTag },
  transform: (row, { cert }) => {
    const read = typeof cert === 'string' ? readCertificate(cert) : undefined
    return read ? { ...row, cert_digest: read.fingerprint256.replaceAll(':', '').toLowerCase() } : row
  },
})

function checkAuthority({ cert }: { readonly cert?: string | null }): string | undefined {
  if ((cert ?? '').split('-----BEGIN CERTIFICATE-----').length > 2)
    return 'please submit only one certificate at a time'
  const read = cert ? readCertificate(cert) : undefined
  if (read && Date.parse(read.validTo) < Date.now())
    return 'certificate expired, "Not After" time is in the past'
  return read?.ca === false
    ? 'certificate does not appear to be a CA because it is missing the "CA" basic constraint'
    : undefined
}
