import { createHash } from 'node:crypto'
import { isIPv6 } from 'node:net'
import { ipv6Groups } from '../../sdk/ipv6.ts'

/** One part of what a request is counted under. */
export type SubjectPart =
  | { readonly by: 'consumer' | 'credential' | 'ip' | 'path' | 'service' | 'route' }
  | { readonly by: 'header'; readonly header: string }

const WORDS = ['consumer', 'credential', 'ip', 'path', 'service', 'route'] as const

/** Reads an entry of `limit_by`; undefined when it means nothing. */
export function parseSubject(text: string): SubjectPart | undefined {
  const word = WORDS.find(known => known === text)
  if (word) return { by: word }
  const header = /^header:([!#$%&'*+.^_`|~0-9A-Za-z-]+)$/.exec(text)?.[1]
  return header ? { by: 'header', header: header.toLowerCase() } : undefined
}

/**
 * The network that an address is counted under: an IPv4 address itself, an IPv6 address by its prefix, since one
 * client commonly holds a whole /64. What is no address stands for itself.
 */
export function networkOf(address: string, ipv6Prefix: number): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')
  if (!isIPv6(plain)) return safe(plain)
  const groups = ipv6Groups(plain)
  const kept = groups.map((group, i) => {
    const bits = Math.max(0, Math.min(16, ipv6Prefix - 16 * i))
    return (group & (0xffff << (16 - bits)) & 0xffff).toString(16)
  })
  return `${kept.join(':').replace(/(?::0)+$/, '::')}/${ipv6Prefix}`
}

/** A value as part of a key: as it is when it is short and harmless, else 128 bits of its hash. */
export function safe(value: string): string {
  return /^[\w.:@/-]{1,64}$/.test(value) ? value : digest(value)
}

/** Header values may be credentials: they enter no key, log or event but as a hash. */
export function digest(value: string): string {
  return createHash('sha256').update(value).digest('base64url').slice(0, 22)
}
