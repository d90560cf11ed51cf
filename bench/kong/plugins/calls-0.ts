import { definePlugin, Type } from '../../../sdk/sdk.ts'

export const plugin = definePlugin({
  name: 'calls-0',
  version: '1.0.0',
  priority: 900,
  config: Type.Object({}),
  phases: { access: () => {} },
})
