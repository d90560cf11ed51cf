import type { AnyPlugin } from '../../../plugin-server/runtime/registry.ts'
import { plugin as responseCache } from '../../../plugins/response-cache/plugin.ts'

/** The same, for Kong to be told of another protocol. Without settings and events of its own, which are there already. */
export const plugin: AnyPlugin = {
  ...(responseCache as AnyPlugin),
  name: 'response-cache-msgpack',
  events: [],
}
