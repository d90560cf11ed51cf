import { BlockList, isIP } from 'node:net'
import { SluiceError } from '../../foundation/errors.ts'

/** What services must not point to unless a network is opened (RFC 6890): unspecified, loopback, link-local. */
const LOCAL: readonly (readonly [network: string, bits: number])[] = [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['::', 128],
  ['::1', 128],
  ['fe80::', 10],
]

/** Ports of Kong's Admin API, Kong Manager and status API by default; each host of the Admin API may have them. */
const KONG_PORTS: readonly number[] = [8001, 8444, 8002, 8445, 8007, 8100]

/** A service that nobody may point to: a store, the Admin API. */
export interface Guarded {
  readonly what: string
  readonly host: string
  /** Any of these ports; all where there are none. */
  readonly ports: readonly number[]
}

/** Addresses of a name, like `dns.lookup` with `all`. */
export type LookUp = (host: string) => Promise<readonly string[]>

export interface AddressOptions {
  readonly guarded: readonly Guarded[]
  /** Networks that are open though they are loopback or link-local, as CIDR, comma-separated. */
  readonly allowed: string | undefined
  readonly lookUp: LookUp
}

/** Says to which addresses nobody may point: with a route to it, the Admin API is open to the world. */
export class AddressPolicy {
  readonly #guarded: readonly Guarded[]
  readonly #lookUp: LookUp
  readonly #local = new BlockList()
  readonly #allowed = new BlockList()

  /** @throws SluiceError SLUICE_CONFIG_INVALID for a network that is none. */
  constructor({ guarded, allowed = '', lookUp }: AddressOptions) {
    this.#guarded = guarded
    this.#lookUp = lookUp
    for (const [network, bits] of LOCAL) this.#local.addSubnet(network, bits, familyOf(network))
    for (const text of allowed.split(',').map(part => part.trim())) if (text !== '') this.#open(text)
  }

  /**
   * Why nobody may point there; undefined where everybody may. A name that cannot be resolved leads nowhere.
   *
   * @param host a name or an address, IPv6 with or without brackets
   */
  async refusal(host: string, port: number | undefined): Promise<string | undefined> {
    const addresses = await this.#addressesOf(host)
    for (const address of addresses) {
      const guarded = await this.#guardedAt(address, port)
      if (guarded !== undefined) return `leads to ${guarded}`
      const family = familyOf(address)
      if (this.#local.check(address, family) && !this.#allowed.check(address, family))
        return `leads to ${address}, which is loopback or link-local; SLUICE_MANAGER_ALLOW_UPSTREAMS opens networks`
    }
    return undefined
  }

  async #guardedAt(address: string, port: number | undefined): Promise<string | undefined> {
    for (const { what, host, ports } of this.#guarded) {
      if (ports.length > 0 && port !== undefined && !ports.includes(port)) continue
      const own = await this.#addressesOf(host)
      // What listens on all addresses listens on loopback, too.
      const isOwn =
        own.includes(address) || (own.some(isUnspecified) && this.#local.check(address, familyOf(address)))
      if (isOwn) return what
    }
    return undefined
  }

  async #addressesOf(host: string): Promise<readonly string[]> {
    const bare = host.replace(/^\[(.*)\]$/, '$1')
    if (isIP(bare)) return [plain(bare)]
    return (await this.#lookUp(bare)).map(plain)
  }

  #open(text: string): void {
    const [network = '', bits = ''] = text.split('/')
    const family = isIP(network)
    const most = family === 6 ? 128 : 32
    const length = bits === '' ? most : Number(bits)
    if (!family || !Number.isInteger(length) || length < 0 || length > most)
      throw new SluiceError(
        'SLUICE_CONFIG_INVALID',
        `SLUICE_MANAGER_ALLOW_UPSTREAMS: ${JSON.stringify(text)} is not a network such as 127.0.0.0/8`,
      )
    this.#allowed.addSubnet(network, length, familyOf(network))
  }
}

/** The places of a Kong's own interfaces, of which only the Admin API's URL is known. */
export const kongInterfaces = ({ hostname, port, protocol }: URL): Guarded => ({
  what: "Kong's Admin or status API",
  host: hostname,
  ports: [...KONG_PORTS, Number(port) || (protocol === 'https:' ? 443 : 80)],
})

const familyOf = (address: string): 'ipv4' | 'ipv6' => (address.includes(':') ? 'ipv6' : 'ipv4')
const isUnspecified = (address: string): boolean => address === '0.0.0.0' || address === '::'

/** An IPv4 address within IPv6 (`::ffff:127.0.0.1`) as itself, an IPv6 address in its shortest form. */
function plain(address: string): string {
  if (!address.includes(':')) return address
  const shortest = new URL(`http://[${address.replace(/%.*$/, '')}]`).hostname.slice(1, -1)
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(shortest)
  if (!mapped) return shortest
  const [high = 0, low = 0] = mapped.slice(1).map(part => Number.parseInt(part, 16))
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}
