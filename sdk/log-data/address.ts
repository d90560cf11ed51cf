import { isIP } from 'node:net'
import { ipv6Groups } from '../ipv6.ts'

/**
 * The network of an address: /24 of IPv4, /48 of IPv6 (and of IPv4 inside it), in the usual notation. Undefined for
 * what is no address.
 */
export function networkOf(address: string): string | undefined {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return networkOf(mapped)
  switch (isIP(address)) {
    case 4:
      return `${address.split('.').slice(0, 3).join('.')}.0`
    case 6: {
      const groups = ipv6Groups(address).slice(0, 3)
      return `${groups.map(group => group.toString(16)).join(':')}::`
    }
    default:
      return undefined
  }
}

/** The address that stands first in `X-Forwarded-For`, if it is one: what the client claims. */
export function forwardedAddress(forwardedFor: string | undefined): string | undefined {
  const first = forwardedFor?.split(',')[0]?.trim() ?? ''
  return isIP(first) === 0 ? undefined : first
}
