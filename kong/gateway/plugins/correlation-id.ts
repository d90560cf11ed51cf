import { randomUUID } from 'node:crypto'
import type { Exchange } from '../proxy/exchange.ts'
import type { PluginHandler } from '../proxy/plugin-chain.ts'

interface Config {
  readonly header_name: string
  readonly generator: 'uuid' | 'uuid#counter' | 'tracker' | null
  readonly echo_downstream: boolean
}

/** The counter of `uuid#counter` belongs to the process, as Kong's belongs to a worker. */
export function createCorrelationIdHandler(now: () => number): PluginHandler {
  const worker = randomUUID()
  let counter = 0
  const generate = (exchange: Exchange, generator: Config['generator']): string => {
    if (generator === 'uuid#counter') return `${worker}#${++counter}`
    if (generator === 'tracker')
      return `${exchange.serverIp}-${exchange.serverPort}-${process.pid}-1-1-${(now() / 1_000).toFixed(3)}`
    return randomUUID()
  }
  return {
    priority: 100_001,
    access(exchange, { entity }) {
      const config = entity.config as unknown as Config
      let id = exchange.headers.get(config.header_name)
      if (!id) {
        id = generate(exchange, config.generator)
        exchange.setUpstreamHeader(config.header_name, id)
      }
      exchange.serializeValues.push({ key: 'correlation_id', value: id })
    },
    headerFilter(exchange, { entity }) {
      const config = entity.config as unknown as Config
      if (!config.echo_downstream) return
      const id = exchange.headers.get(config.header_name) || generate(exchange, config.generator)
      exchange.responseHeaders.set(config.header_name, id)
    },
  }
}
