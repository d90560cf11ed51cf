import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { SchemaSpec } from '../../kong/schema/spec.ts'
import { type AdminServerOptions, type RunningAdmin, startAdminServer } from '../support/admin-server.ts'
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
const RECORDINGS: readonly (AdminServerOptions & { readonly title: string; readonly folder: string })[] = [
  { title: 'with a database', folder: 'kong-admin' },
  { title: 'without a database', folder: 'kong-admin', declarative: true },
  { title: 'with a plugin server', folder: 'kong-admin/plugin-server', plugins: dumpedSchemas() },
  {
    title: 'with the router flavor expressions',
    folder: 'kong-admin/expressions',
    declarative: true,
    routerFlavor: 'expressions',
  },
]

/** All that happens in a scenario happens within one second, however busy the machine is: answers tell a time to live. */
function steadyClock(): () => number {
  let nowMs = 1_800_000_000_100
  return () => {
    nowMs += 0.01
    return nowMs
  }
}

for (const { title, folder, ...options } of RECORDINGS)
  describe(`the Admin API answers as a recorded Kong ${title}`, () => {
    let admin: RunningAdmin
    before(async () => {
      admin = await startAdminServer({ ...options, now: steadyClock() })
    })
    after(() => admin.close())

    for (const scenario of scenariosOf(folder).filter(
      name => name.startsWith('dbless-') === (options.declarative ?? false),
    ))
      it(`in ${scenario}`, async () => {
        const urls = { adminUrl: admin.url, proxyUrl: admin.url }
        const { code, output } = await replayScenario(urls, folder, scenario)
        assert.deepEqual(admin.errors, [])
        assert.equal(code, 0, output)
      })
  })
