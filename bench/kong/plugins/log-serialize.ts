import { definePlugin, Type } from '../../../sdk/sdk.ts'

/** Everything about the request, in one call. */
export const plugin = definePlugin({
  name: 'log-serialize',
  version: '1.0.0',
  priority: 900,
  config: Type.Object({}),
  needs: { log: ['log.serialize'] },
  phases: {
    async log(kong) {
      await kong.log.serialize()
    },
  },
})
