import { BlockList, isIP } from 'node:net'

export interface Networks {
  /** False for what is no address, too. */
  has(address: string): boolean
  /** Entries that are neither an address nor a network. */
  readonly wrong: readonly string[]
}

/** @param entries addresses and CIDR networks, of both families. */
export function createNetworks(entries: readonly string[]): Networks {
  const list = new BlockList()
  const wrong: string[] = []
  for (const entry of entries) {
    const [address = '', prefix, ...rest] = entry.split('/')
    const version = isIP(address)
    const bits = prefix === undefined ? undefined : Number(prefix)
    const isPrefix = bits === undefined || (/^\d{1,3}$/.test(prefix!) && bits <= (version === 6 ? 128 : 32))
    if (version === 0 || !isPrefix || rest.length > 0) wrong.push(entry)
    else if (bits === undefined) list.addAddress(address, version === 6 ? 'ipv6' : 'ipv4')
    else list.addSubnet(address, bits, version === 6 ? 'ipv6' : 'ipv4')
  }
  return {
    wrong,
    has(address) {
      const version = isIP(address)
      return version !== 0 && list.check(address, version === 6 ? 'ipv6' : 'ipv4')
    },
  }
}
