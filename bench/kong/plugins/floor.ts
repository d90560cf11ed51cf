import { definePlugin, Type } from '../../../sdk/sdk.ts'

/** The calls of `sluice` with limits by consumer, audit and request-log, and nothing behind them: the floor of its cost. */
export const plugin = definePlugin({
  name: 'floor',
  version: '1.0.0',
  priority: 900,
  config: Type.Object({}),
  needs: { access: ['client.getConsumer'], log: ['log.serialize'] },
  endsLogFirst: true,
  phases: {
    async access(kong) {
      await kong.client.getConsumer()
      kong.response.setHeaders({ 'RateLimit-Policy': '"minute";q=100;w=60', RateLimit: '"minute";r=99;t=60' })
    },
    async log(kong) {
      await kong.log.serialize()
    },
  },
})
