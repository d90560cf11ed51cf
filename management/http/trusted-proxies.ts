import { SluiceError } from '../../foundation/errors.ts'
import type { Settings } from '../../foundation/settings.ts'
import { createNetworks } from '../../plugins/qos/sources.ts'

/**
 * Whose `X-Forwarded-For` is believed. By default nobody's: it would say what whoever asks has written there.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID for what is neither an address nor a network.
 */
export function trustedProxies({
  managerTrustedProxies: text,
}: Pick<Settings, 'managerTrustedProxies'>): string[] | false {
  const proxies = (text ?? '')
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '')
  const [wrong] = createNetworks(proxies).wrong
  if (wrong !== undefined)
    throw new SluiceError(
      'SLUICE_CONFIG_INVALID',
      `SLUICE_MANAGER_TRUSTED_PROXIES: ${JSON.stringify(wrong)} is neither an address nor a network such as 10.0.0.0/8`,
    )
  return proxies.length > 0 && proxies
}
