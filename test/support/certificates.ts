import { execFileSync } from 'node:child_process'
import path from 'node:path'

export interface Certificates {
  /** PEM files: an authority, and a key with a certificate of it for `localhost` and 127.0.0.1. */
  readonly authority: string
  readonly certificate: string
  readonly key: string
  /** An authority that has signed nothing. */
  readonly otherAuthority: string
}

/** Makes certificates of a day with `openssl`. */
export function makeCertificates(folder: string): Certificates {
  const file = (name: string) => path.join(folder, name)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  const newKey = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '1',
  ]
  for (const name of ['authority', 'other'])
    openssl(...newKey, '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.pem`)
  openssl(
    ...newKey,
    ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
    ...['-addext', 'basicConstraints=critical,CA:FALSE'],
    ...['-CA', 'authority.pem', '-CAkey', 'authority.key'],
    ...['-keyout', 'server.key', '-out', 'server.pem'],
  )
  return {
    authority: file('authority.pem'),
    certificate: file('server.pem'),
    key: file('server.key'),
    otherAuthority: file('other.pem'),
  }
}
