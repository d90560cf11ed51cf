import { definePlugin, Type } from '../../../sdk/sdk.ts'

/** Asks who the client is, as a limit by consumer must, and rejects every request. */
export const plugin = definePlugin({
  name: 'exit-1',
  version: '1.0.0',
  priority: 900,
  config: Type.Object({}),
  needs: { access: ['client.getConsumer'] },
  phases: {
    async access(kong) {
      await kong.client.getConsumer()
      return kong.response.exit(429, '', { 'Retry-After': '60' })
    },
  },
})
