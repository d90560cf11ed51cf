import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { SchemaSpec } from '../../kong/schema/spec.ts'
import { type RunningAdmin, startAdminServer } from '../support/admin-server.ts'
import { replayScenario } from '../support/replay.ts'

const CONTRACT = path.resolve(import.meta.dirname, '../../../test/contract')

const scenariosOf = (folder: string): readonly string[] =>
  readdirSync(path.join(CONTRACT, folder, 'scenarios')).map(file => path.parse(file).name)

/** The schema of a plugin as a plugin server told it to the Kong that was recorded. */
function dumpedSchemas(): Record<string, SchemaSpec> {
  const dump = JSON.parse(
    readFileSync(path.join(CONTRACT, 'kong-admin/plugin-server/dump.json'), 'utf8'),
  ) as {
    Plugins: { Name: string; Schema: SchemaSpec }[]
  }
  return Object.fromEntries(dump.Plugins.map(plugin => [plugin.Name, plugin.Schema]))
}

/** How the Kong that was recorded was set up, and where its answers are. They need no proxy. */
const RECORDINGS = [
  { title: 'with a database', folder: 'kong-admin', declarative: false, plugins: {} },
  { title: 'without a database', folder: 'kong-admin', declarative: true, plugins: {} },
  {
    title: 'with a plugin server',
    folder: 'kong-admin/plugin-server',
    declarative: false,
    plugins: dumpedSchemas(),
  },
]

for (const { title, folder, declarative, plugins } of RECORDINGS)
  describe(`the Admin API answers as a recorded Kong ${title}`, () => {
    let admin: RunningAdmin
    before(async () => {
      admin = await startAdminServer({ plugins, declarative })
    })
    after(() => admin.close())

    for (const scenario of scenariosOf(folder).filter(name => name.startsWith('dbless-') === declarative))
      it(`in ${scenario}`, async () => {
        const urls = { adminUrl: admin.url, proxyUrl: admin.url }
        const { code, output } = await replayScenario(urls, folder, scenario)
        assert.deepEqual(admin.errors, [])
        assert.equal(code, 0, output)
      })
  })
