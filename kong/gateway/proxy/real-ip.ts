import { isIP } from 'node:net'
import type { Endpoint } from './client-request.ts'
import type { HeaderMap } from './header-map.ts'

/** Kong's `trusted_ips`, `real_ip_header` and `real_ip_recursive`. */
export interface RealIpRule {
  readonly isTrusted: (ip: string) => boolean
  /** In lower case. */
  readonly header: string
  /** Skip trusted addresses from the right, not the last one only. */
  readonly isRecursive: boolean
}

/**
 * Who the client is, as nginx's realip module finds it: where a trusted peer connected, the last address of the
 * header, or with `isRecursive` the last one that is not trusted. An address that can't be read ends the search.
 */
export function clientAddress(peer: Endpoint, headers: HeaderMap, rule: RealIpRule): Endpoint {
  if (!rule.isTrusted(peer.ip)) return peer
  // X-Forwarded-For may come several times; of any other header nginx reads the first.
  const text = rule.header === 'x-forwarded-for' ? headers.joined(rule.header) : headers.get(rule.header)
  let client = peer
  for (const part of (text ?? '').split(',').reverse()) {
    const address = readEndpoint(part.trim())
    if (!address) break
    client = address
    if (!rule.isRecursive || !rule.isTrusted(address.ip)) break
  }
  return client
}

/** `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]`, `[::1]:80`. */
function readEndpoint(text: string): Endpoint | undefined {
  if (isIP(text) !== 0) return { ip: text, port: 0 }
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const ip = bracketed ?? plain ?? ''
  return isIP(ip) === 0 ? undefined : { ip, port: Number(port ?? 0) }
}
