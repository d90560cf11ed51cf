import { BlockList, isIPv6 } from 'node:net'
import type { Exchange } from '../proxy/exchange.ts'
import { definePlugin } from './builtin.ts'

interface Config {
  readonly allow: readonly string[] | null
  readonly deny: readonly string[] | null
  readonly status: number | null
  readonly message: string | null
}

export const ipRestriction = definePlugin<Config>({
  name: 'ip-restriction',
  priority: 990,
  start: ({ logger }) => ({
    configure({ allow, deny, status, message }) {
      const isDenied = deny?.length ? matcher(deny) : () => false
      const isAllowed = allow?.length ? matcher(allow) : () => true
      return {
        access(exchange: Exchange) {
          const { clientIp } = exchange
          if (!isDenied(clientIp) && isAllowed(clientIp)) return
          const text = message ?? `IP address not allowed: ${clientIp}`
          logger.warn({ plugin: 'ip-restriction' }, text)
          exchange.respondError(status ?? 403, text)
        },
      }
    },
  }),
})

function matcher(ranges: readonly string[]): (ip: string) => boolean {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', bits] = range.split('/')
    const family = isIPv6(address) ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return ip => list.check(ip, isIPv6(ip) ? 'ipv6' : 'ipv4')
}
