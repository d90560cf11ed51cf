import { createSecureContext, type SecureContext } from 'node:tls'
import type { Certificate } from '../../entities/entities.ts'
import type { Lookup } from '../state/state.ts'
import type { KeyPair } from './self-signed.ts'

/** Kong's `ssl_cipher_suite = intermediate`. */
export const MIN_TLS_VERSION = 'TLSv1.2'

/** The certificate for each server name (SNI) that clients ask for (kong/runloop/certificate.lua of 3.9). */
export class Certificates {
  readonly #lookup: Lookup
  readonly #contexts = new WeakMap<Certificate, SecureContext>()
  /** For a name that no SNI stands for. */
  readonly default: KeyPair
  readonly #defaultContext: SecureContext

  constructor(lookup: Lookup, pair: KeyPair) {
    this.#lookup = lookup
    this.default = pair
    this.#defaultContext = createSecureContext({ ...pair, minVersion: MIN_TLS_VERSION })
  }

  /** @throws Error when a certificate of the state can't be used */
  contextFor(serverName: string): SecureContext {
    for (const name of candidates(serverName.toLowerCase())) {
      const sni = this.#lookup.find('snis', 'name', name)
      const certificate = sni && this.#lookup.get('certificates', sni.certificate.id)
      if (certificate) return this.#contextOf(certificate)
    }
    return this.#defaultContext
  }

  #contextOf(certificate: Certificate): SecureContext {
    const known = this.#contexts.get(certificate)
    if (known) return known
    const { cert, key, cert_alt, key_alt } = certificate
    const context = createSecureContext({
      cert: cert_alt === null ? cert : [cert, cert_alt],
      key: key_alt === null ? key : [key, key_alt],
      minVersion: MIN_TLS_VERSION,
    })
    this.#contexts.set(certificate, context)
    return context
  }
}

/** The name itself, then with `*` for its first part, then for its last, then `*` alone. */
function candidates(name: string): string[] {
  return [name, name.replace(/^[^.]+(?=\.[^.]+\.\S+)/, '*'), name.replace(/(?<=\.)[^.]+$/, '*'), '*'].filter(
    (one, i, all) => all.indexOf(one) === i,
  )
}
