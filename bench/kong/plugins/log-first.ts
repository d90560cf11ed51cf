import { definePlugin, Type } from '../../../sdk/sdk.ts'

/** As log-serialize, with the event's end in the write that asks. */
export const plugin = definePlugin({
  name: 'log-first',
  version: '1.0.0',
  priority: 900,
  config: Type.Object({}),
  needs: { log: ['log.serialize'] },
  endsLogFirst: true,
  phases: {
    async log(kong) {
      await kong.log.serialize()
    },
  },
})
