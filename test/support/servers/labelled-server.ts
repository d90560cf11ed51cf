/** A plugin server for tests that need one in a process of its own: `node labelled-server.js SOCKET SPOOL LABEL`. */

import { createLogger } from '../../../foundation/log.ts'
import { readSettings } from '../../../foundation/settings.ts'
import { startServer } from '../../../plugin-server/main.ts'
import { definePlugin, Type } from '../../../sdk/sdk.ts'

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
