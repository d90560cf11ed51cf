import { isIP } from 'node:net'

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
      const groups = expand(address)
        .slice(0, 3)
        .map(group => Number.parseInt(group, 16).toString(16))
      return `${groups.join(':')}::`
    }
    default:
      return undefined
  }
}

/** The first three groups are what is wanted; a dotted end needs no reading. */
function expand(address: string): string[] {
  const [head = '', tail] = address.replace(/%.*$/, '').split('::')
  const before = head === '' ? [] : head.split(':')
  if (tail === undefined) return before
  const after = tail === '' ? [] : tail.split(':')
  const missing = 8 - before.length - after.length - (tail.includes('.') ? 1 : 0)
  return [...before, ...Array<string>(Math.max(0, missing)).fill('0'), ...after]
}

/** The address that stands first in `X-Forwarded-For`, if it is one: what the client claims. */
export function forwardedAddress(forwardedFor: string | undefined): string | undefined {
  const first = forwardedFor?.split(',')[0]?.trim() ?? ''
  return isIP(first) === 0 ? undefined : first
}
