import { definePlugin, Type } from '../../../sdk/sdk.ts'

/** What a log event costs before it asks for anything. */
export const plugin = definePlugin({
  name: 'log-0',
  version: '1.0.0',
  priority: 900,
  config: Type.Object({}),
  phases: { log: () => {} },
})
