import { definePlugin, Type } from '../../../sdk/sdk.ts'

/** Rejects every request and does nothing else: what an exit costs. */
export const plugin = definePlugin({
  name: 'exit-0',
  version: '1.0.0',
  priority: 900,
  config: Type.Object({}),
  phases: { access: kong => kong.response.exit(429, '', { 'Retry-After': '60' }) },
})
