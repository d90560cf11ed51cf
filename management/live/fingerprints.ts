import { SluiceError } from '../../foundation/errors.ts'
import type { Settings } from '../../foundation/settings.ts'
import { createFingerprinter } from '../../plugins/key-auth-audit/fingerprint.ts'

export interface KeyFingerprint {
  readonly secretId: string
  readonly fingerprint: string
  /** Made with the secret that is in use now. */
  readonly current: boolean
}

/** Of a key under every secret that is set. @throws SluiceError SLUICE_CONFIG_INVALID where none is */
export function fingerprintsOf(settings: Settings, key: Uint8Array): KeyFingerprint[] {
  const old = settings.fingerprintOldSecrets?.split(/\s+/).filter(Boolean) ?? []
  const secrets = settings.fingerprintSecret === undefined ? old : [settings.fingerprintSecret, ...old]
  if (secrets.length === 0)
    throw new SluiceError('SLUICE_CONFIG_INVALID', 'SLUICE_FINGERPRINT_SECRET is not set')
  return secrets.map(secret => {
    const fingerprinter = createFingerprinter(secret)
    return {
      fingerprint: fingerprinter.of(key),
      secretId: fingerprinter.secretId,
      current: secret === settings.fingerprintSecret,
    }
  })
}
