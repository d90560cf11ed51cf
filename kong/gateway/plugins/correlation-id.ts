import type { Exchange } from '../proxy/exchange.ts'
import { definePlugin } from './builtin.ts'

interface Config {
  readonly header_name: string
  readonly generator: 'uuid' | 'uuid#counter' | 'tracker'
  readonly echo_downstream: boolean
}

export const correlationId = definePlugin<Config>({
  name: 'correlation-id',
  priority: 100_001,
  start({ now, newId }) {
    // The counter of `uuid#counter` belongs to the process, as Kong's belongs to a worker.
    const worker = newId()
    let counter = 0
    const generate = (exchange: Exchange, generator: Config['generator']): string => {
      if (generator === 'uuid#counter') return `${worker}#${++counter}`
      if (generator === 'tracker')
        return `${exchange.serverIp}-${exchange.serverPort}-${process.pid}-1-1-${(now() / 1_000).toFixed(3)}`
      return newId()
    }
    return {
      configure: ({ header_name, generator, echo_downstream }) => ({
        access(exchange) {
          let id = exchange.headers.get(header_name)
          if (!id) {
            id = generate(exchange, generator)
            exchange.setUpstreamHeader(header_name, id)
          }
          exchange.serializeValues.push({ key: 'correlation_id', value: id })
        },
        ...(echo_downstream && {
          headerFilter(exchange: Exchange) {
            const id = exchange.headers.get(header_name) || generate(exchange, generator)
            exchange.responseHeaders.set(header_name, id)
          },
        }),
      }),
    }
  },
})
