import { checkUrl } from '../../entities/url.ts'
import { fromBytes, toBytes } from '../pdk/text.ts'
import type { Exchange } from '../proxy/exchange.ts'
import { routedPath } from '../router/path.ts'
import { definePlugin } from './builtin.ts'

interface Config {
  readonly status_code: number
  readonly location: string
  readonly keep_incoming_path: boolean
}

export const redirect = definePlugin<Config>({
  name: 'redirect',
  priority: 779,
  rules: { 'config.location': { custom_validator: checkUrl } },
  start: () => ({
    configure: config => ({
      access: exchange =>
        exchange.respond(config.status_code, 'redirecting', { Location: location(exchange, config) }),
    }),
  }),
})

/** Kong takes the address apart with Ada, which is also Node's `URL`; one that it can't read is Kong's 500. */
function location(exchange: Exchange, config: Config): string {
  if (!config.keep_incoming_path) return toBytes(config.location)
  const url = new URL(config.location)
  url.pathname = fromBytes(routedPath(exchange.requestUri))
  url.search = fromBytes(exchange.rawQuery ?? '')
  return url.href
}
