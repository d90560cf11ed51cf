import { definePlugin, Type } from '../../../sdk/sdk.ts'

/** For kong-pdk the same stands in kong-pdk.ts. */
export const plugin = definePlugin({
  name: 'calls-2',
  version: '1.0.0',
  priority: 900,
  config: Type.Object({}),
  phases: {
    async access(kong) {
      const consumer = await kong.client.getConsumer()
      kong.response.setHeaders({ 'x-consumer': consumer?.username ?? 'none', 'x-limit': '100' })
    },
  },
})
