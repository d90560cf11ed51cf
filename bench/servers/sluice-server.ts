/** A plugin server of Sluice with the plugins of kong-pdk.ts: `node sluice-server.js SOCKET SPOOL`. */

import { createLogger } from '../../foundation/log.ts'
import { readSettings } from '../../foundation/settings.ts'
import { startServer } from '../../plugin-server/main.ts'
import { type AccessKong, definePlugin, Type } from '../../sdk/sdk.ts'
import { plugin as calls0 } from '../kong/plugins/calls-0.ts'
import { plugin as calls2 } from '../kong/plugins/calls-2.ts'

const plugin = (name: string, access: (kong: AccessKong) => void | Promise<void>) =>
  definePlugin({ name, version: '1.0.0', priority: 1, config: Type.Object({}), phases: { access } })

/** The same plugins stand in kong-pdk.ts for kong-pdk. */
const plugins = [
  calls0,
  calls2,
  plugin('calls-8', async kong => {
    const consumer = await kong.client.getConsumer()
    await kong.client.getCredential()
    await kong.router.getService()
    await kong.router.getRoute()
    await kong.request.getMethod()
    await kong.request.getPath()
    kong.log.notice('seen')
    kong.response.setHeaders({ 'x-consumer': consumer?.username ?? 'none', 'x-limit': '100' })
  }),
  definePlugin({
    name: 'exit',
    version: '1.0.0',
    priority: 1,
    config: Type.Object({ kind: Type.String(), size: Type.Integer() }),
    instance: ({ kind, size }) => (kind === 'bytes' ? Buffer.alloc(size, 'x') : 'x'.repeat(size)),
    phases: {
      access: (kong, { instance }) => kong.response.exit(200, instance, { 'content-type': 'text/plain' }),
    },
  }),
  plugin('reject', kong => kong.response.exit(429, 'too many requests', { 'Retry-After': ['13'] })),
]

const [socket = '', spool = ''] = process.argv.slice(2)
await startServer(readSettings({ SLUICE_SOCKET: socket, SLUICE_SPOOL_DIR: spool, SLUICE_HTTP: 'off' }), {
  plugins,
  log: createLogger('warn'),
})
// A profiler (`node --cpu-prof`) writes its file at a planned exit only.
process.on('SIGTERM', () => process.exit(0))
