import { isIP } from 'node:net'
import { SluiceError } from '../../foundation/errors.ts'
import type { Settings } from '../../foundation/settings.ts'

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
  const wrong = proxies.find(one => !isNetwork(one))
  if (wrong !== undefined)
    throw new SluiceError(
      'SLUICE_CONFIG_INVALID',
      `SLUICE_MANAGER_TRUSTED_PROXIES: ${JSON.stringify(wrong)} is neither an address nor a network such as 10.0.0.0/8`,
    )
  return proxies.length > 0 && proxies
}

function isNetwork(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/')
  const bits = { 4: 32, 6: 128 }[isIP(address)]
  const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (bits ?? 0))
  return bits !== undefined && isPrefix && rest.length === 0
}
