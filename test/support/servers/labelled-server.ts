/** A plugin server for tests that need one in a process of its own: `node labelled-server.js SOCKET SPOOL LABEL`. */
import { readSettings } from '../../../plugin-server/config.ts'
import { startServer } from '../../../plugin-server/main.ts'
import { createLogger } from '../../../plugin-server/observe/log.ts'
import { definePlugin, Type } from '../../../plugin-server/sdk.ts'

const [socket = '', spool = '', label = ''] = process.argv.slice(2)

/** Says in a header by which server and by which configuration the request was judged. */
const labelled = definePlugin({
  name: 'labelled',
  version: '1.0.0',
  priority: 1,
  config: Type.Object({ label: Type.String() }),
  phases: {
    async access(kong, { config }) {
      await kong.client.getConsumer()
      kong.response.setHeader('x-judged-by', `${label} ${config.label}`)
    },
  },
})

await startServer(readSettings({ SLUICE_SOCKET: socket, SLUICE_SPOOL_DIR: spool, SLUICE_HTTP: 'off' }), {
  plugins: [labelled],
  log: createLogger('silent'),
})
process.send?.('serving')
