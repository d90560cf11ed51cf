import type { Exchange } from '../proxy/exchange.ts'
import { definePlugin } from './builtin.ts'

interface Config {
  readonly allowed_payload_size: number
  readonly size_unit: 'megabytes' | 'kilobytes' | 'bytes'
  readonly require_content_length: boolean
}

const BYTES = { megabytes: 2 ** 20, kilobytes: 2 ** 10, bytes: 1 }

export const requestSizeLimiting = definePlugin<Config>({
  name: 'request-size-limiting',
  priority: 951,
  start: () => ({
    configure({ allowed_payload_size, size_unit, require_content_length }) {
      const maxBytes = allowed_payload_size * BYTES[size_unit]
      const check = (exchange: Exchange, bytes: number) => {
        if (bytes <= maxBytes) return
        const isExpecting = exchange.headers.get('expect')?.trim().toLowerCase() === '100-continue'
        exchange.respondError(isExpecting ? 417 : 413, 'Request size limit exceeded')
      }
      return {
        access(exchange) {
          const declared = exchange.headers.get('content-length')
          if (declared !== undefined && declared !== '' && Number.isFinite(Number(declared))) {
            check(exchange, Number(declared))
            return undefined
          }
          if (require_content_length && exchange.headers.get('transfer-encoding') !== 'chunked') {
            exchange.respondError(411, 'A valid Content-Length header is required')
            return undefined
          }
          return exchange.body.length(maxBytes).then(bytes => check(exchange, bytes))
        },
      }
    },
  }),
})
