import { createWriteStream, type WriteStream } from 'node:fs'
import { appendFile } from 'node:fs/promises'
import { messageOf } from '../../../foundation/errors.ts'
import { logEntry } from '../proxy/log-entry.ts'
import { definePlugin } from './builtin.ts'
import { warnOfLua } from './custom-fields.ts'

interface Config {
  readonly path: string
  readonly reopen: boolean
  readonly custom_fields_by_lua: Readonly<Record<string, string>> | null
}

const PERMISSIONS = 0o644

export const fileLog = definePlugin<Config>({
  name: 'file-log',
  priority: 9,
  start({ logger }) {
    const streams = new Map<string, WriteStream>()
    const failed = (error: unknown) =>
      logger.error({ plugin: 'file-log', err: messageOf(error) }, 'failed to write the log file')
    /** A file stays open, also when it was renamed, until the gateway ends. */
    const streamOf = (path: string): WriteStream => {
      const known = streams.get(path)
      if (known) return known
      const stream = createWriteStream(path, { flags: 'a', mode: PERMISSIONS })
      stream.on('error', error => {
        streams.delete(path)
        failed(error)
      })
      streams.set(path, stream)
      return stream
    }
    return {
      configure(config) {
        warnOfLua('file-log', config.custom_fields_by_lua, logger)
        return {
          log(exchange) {
            const line = `${JSON.stringify(logEntry(exchange))}\n`
            if (config.reopen) return appendFile(config.path, line, { mode: PERMISSIONS }).catch(failed)
            streamOf(config.path).write(line)
            return undefined
          },
        }
      },
      async close() {
        await Promise.all([...streams.values()].map(stream => new Promise(resolve => stream.end(resolve))))
      },
    }
  },
})
