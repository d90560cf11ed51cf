import { definePlugin, Type } from '../../../sdk/sdk.ts'

/** What Kong still answers in the log phase without `log.serialize`, in one write; method, path and address it does not. */
export const plugin = definePlugin({
  name: 'log-few',
  version: '1.0.0',
  priority: 900,
  config: Type.Object({}),
  phases: {
    async log(kong) {
      await Promise.all([
        kong.response.getStatus(),
        kong.response.getSource(),
        kong.client.getConsumer(),
        kong.client.getCredential(),
        kong.router.getService(),
        kong.nginx.getCtx('KONG_WAITING_TIME'),
      ])
    },
  },
})
