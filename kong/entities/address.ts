/** Hosts as Kong reads them: a name, an IPv4 or an IPv6 address, each with an optional port. */
export interface HostAndPort {
  readonly type: 'name' | 'ipv4' | 'ipv6'
  /** Without a port; IPv4 without leading zeros, IPv6 written in full. */
  readonly host: string
  readonly port?: number
}

/** Why a host cannot be read. */
export interface HostProblem {
  readonly problem: string
}

const BAD_PORT: HostProblem = { problem: 'invalid port number' }

export function parseHost(text: string): HostAndPort | HostProblem {
  if (text.split(':').length > 2) return parseIpv6(text)
  if (/^[\d.]+$/.test(text.replaceAll(':', ''))) return parseIpv4(text)
  return parseName(text)
}

/** `host:port`, with `defaultPort` where `address` has none. */
export function formatHost({ host, port, type }: HostAndPort, defaultPort: number): string {
  return `${type === 'ipv6' ? `[${host}]` : host}:${port ?? defaultPort}`
}

function parseIpv4(text: string): HostAndPort | HostProblem {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?::(\d+))?$/.exec(text)
  const parts = match?.slice(1, 5).map(Number)
  if (!match || parts?.some(part => part > 255)) return { problem: `invalid ipv4 address: ${text}` }
  return withPort('ipv4', parts!.join('.'), match[5])
}

function parseIpv6(text: string): HostAndPort | HostProblem {
  const bracketed = /^\[([^\]]*)\](.*)$/.exec(text)
  const port = bracketed?.[2] ? /^:(\d+)$/.exec(bracketed[2])?.[1] : undefined
  if (bracketed?.[2] && port === undefined) return { problem: 'invalid ipv6 address' }
  let address = bracketed ? bracketed[1]! : text
  if (address.startsWith(':')) address = `0${address}`
  if (address.endsWith(':')) address += '0'
  if (address.includes('::')) {
    const colons = address.split(':').length - 1
    address = address.replace('::', `:${'0:'.repeat(Math.max(0, 8 - colons))}`)
  }
  const groups = address.split(':')
  if (groups.length !== 8 || !groups.every(group => /^[0-9a-f]{1,4}$/i.test(group)))
    return { problem: `invalid ipv6 address: ${text}` }
  return withPort('ipv6', groups.map(group => group.padStart(4, '0').toLowerCase()).join(':'), port)
}

function parseName(text: string): HostAndPort | HostProblem {
  const port = /:(\d+)$/.exec(text)?.[1]
  const name = port === undefined ? text : text.slice(0, -(port.length + 1))
  const labels = name.split('.')
  const wrong =
    !/^[\w.-]+$/.test(name) ||
    labels.some((label, i) => label.endsWith('-') || (label === '' && i !== labels.length - 1))
  return wrong ? { problem: `invalid hostname: ${text}` } : withPort('name', name, port)
}

function withPort(
  type: HostAndPort['type'],
  host: string,
  port: string | undefined,
): HostAndPort | HostProblem {
  if (port === undefined) return { type, host }
  return Number(port) > 65_535 ? BAD_PORT : { type, host, port: Number(port) }
}

export const isProblem = (parsed: HostAndPort | HostProblem): parsed is HostProblem => 'problem' in parsed
