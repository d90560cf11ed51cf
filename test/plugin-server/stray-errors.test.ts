import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { makeFolder } from '../support/folder.ts'
import { type ServerProcess, startServerProcess } from '../support/server-process.ts'

const NOT_AWAITED = `
exports.Plugin = class {
  async access(kong) { kong.response.exit(401); kong.response.setHeader('x', 'y'); await new Promise(() => {}) }
}
`
const IN_A_TIMER = `
export const plugin = {
  name: 'in-a-timer', version: '1.0.0', priority: 1, config: { type: 'object', properties: {} },
  phases: { access: kong => new Promise(() => setTimeout(() => kong.response.exit(401))) },
}
`
const THROWS = `
exports.Plugin = class { async access() { setTimeout(() => { throw new Error('on purpose') }) } }
`

describe('what plugins leave behind', function () {
  this.timeout(20_000)
  const folder = makeFolder()
  let server: ServerProcess

  before(async () => {
    const plugins = path.join(folder.path, 'plugins')
    mkdirSync(plugins)
    writeFileSync(path.join(plugins, 'not-awaited.js'), NOT_AWAITED)
    writeFileSync(path.join(plugins, 'in-a-timer.mjs'), IN_A_TIMER)
    writeFileSync(path.join(plugins, 'throws.js'), THROWS)
    server = await startServerProcess({ SLUICE_PLUGINS_ON_ERROR: 'open' }, { plugins })
  })
  after(async () => {
    await server.close()
    folder.remove()
  })

  async function event(plugin: string) {
    const kong = await server.connect()
    return kong.event(await kong.startInstance(plugin, {}), 'access').finally(() => kong.close())
  }

  it('is no error line where it is an exit that nobody awaited, or one in a callback', async () => {
    for (const plugin of ['not-awaited', 'in-a-timer'])
      assert.equal((await event(plugin)).exit?.[0], 401, plugin)
    // The line of what is an error comes after all that would have been logged before it.
    await event('throws')
    while (server.log().length < 2) await pause(5)
    assert.deepEqual(
      server.log().map(({ msg, reason }) => [msg, reason]),
      [
        [
          "modules for Kong's JavaScript plugin server let requests pass when they fail or are late",
          undefined,
        ],
        ['uncaught exception', 'on purpose'],
      ],
    )
  })
})
