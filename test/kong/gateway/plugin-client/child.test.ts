import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Logger } from '../../../../foundation/log.ts'
import { PluginServerChild } from '../../../../kong/gateway/plugin-client/child.ts'
import { PluginServers } from '../../../../kong/gateway/plugin-client/plugin-servers.ts'
import { makeFolder } from '../../../support/folder.ts'
import { createPdkHost } from '../../../support/gateway-exchange.ts'
import { silentLog } from '../../../support/plugin-server.ts'
import { until } from '../../../support/until.ts'

const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

function notedLog(): { log: Logger; lines: string[] } {
  const lines: string[] = []
  const note = (first: unknown, second?: string) => lines.push(second ?? String(first))
  return { log: { ...silentLog, info: note, warn: note, error: note } as Logger, lines }
}

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('a plugin server with a start command', () => {
  it('has its output in the log, and is ended by SIGTERM', async () => {
    const { log, lines } = notedLog()
    const child = new PluginServerChild('js', `sh -c 'echo "pid $$"; exec sleep 60'`, log)
    closing.push(() => child.close())
    await until(() => lines.some(line => /^\[js:\d+\] pid \d+$/.test(line)))
    const pid = Number(/pid (\d+)/.exec(lines.find(line => line.includes('pid '))!)![1])
    assert.equal(isAlive(pid), true)
    await child.close()
    assert.equal(isAlive(pid), false)
  })

  it('is started again when it dies, not more than once a second', async () => {
    const folder = makeFolder()
    closing.push(() => folder.remove())
    const file = path.join(folder.path, 'starts')
    const { log } = notedLog()
    const begun = Date.now()
    const child = new PluginServerChild('js', `sh -c 'date +%s%N >> ${file}; exit 1'`, log)
    closing.push(() => child.close())
    const starts = () => {
      try {
        return readFileSync(file, 'utf8').trim().split('\n').map(Number)
      } catch {
        return []
      }
    }
    await until(() => starts().length >= 3)
    // From what is before the first start: on a busy machine any of them may be told late.
    const afterMs = starts().map(nanoseconds => nanoseconds / 1e6 - begun)
    assert.ok(afterMs[2]! >= 1_990, `started after ${afterMs} ms`)
  })

  it('that is not installed is named in the log', async () => {
    const { log, lines } = notedLog()
    const child = new PluginServerChild('js', 'no-such-program-of-any-kind', log)
    closing.push(() => child.close())
    await until(() => lines.some(line => line.includes('command not found')))
  })

  it('is started by the gateway when it is told to, and not before', async () => {
    const dump = '[{"Name":"hello","Phases":[],"Schema":{}}]'
    const { log, lines } = notedLog()
    const servers = await PluginServers.query({
      environment: {
        KONG_PLUGINSERVER_NAMES: 'js',
        KONG_PLUGINSERVER_JS_SOCKET: '/nonexistent.sock',
        KONG_PLUGINSERVER_JS_QUERY_CMD: `echo '${dump}'`,
        KONG_PLUGINSERVER_JS_START_CMD: `sh -c 'echo up; exec sleep 60'`,
      },
      host: createPdkHost(),
      log,
    })
    closing.push(() => servers.close())
    assert.equal(lines.length, 0)
    servers.start()
    await until(() => lines.some(line => line.endsWith('] up')))
  })
})
