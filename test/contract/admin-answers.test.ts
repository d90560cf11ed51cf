import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { SchemaSpec } from '../../kong/schema/spec.ts'
import { type RunningAdmin, startAdminServer } from '../support/admin-server.ts'
import { freePort } from '../support/ports.ts'

const CONTRACT = path.resolve(import.meta.dirname, '../../../test/contract')

/** The recorded scenarios that need no proxy, by their folder. */
const SCENARIOS: Readonly<Record<string, readonly string[]>> = {
  'kong-reference': ['admin-services', 'admin-routes', 'admin-consumers', 'admin-plugins'],
  'kong-admin/plugin-server': ['admin-plugin-server'],
  'kong-admin': readdirSync(path.join(CONTRACT, 'kong-admin/scenarios')).map(file => path.parse(file).name),
}

/** The schema of a plugin as a plugin server told it to the Kong that was recorded. */
function dumpedSchemas(): Record<string, SchemaSpec> {
  const dump = JSON.parse(
    readFileSync(path.join(CONTRACT, 'kong-admin/plugin-server/dump.json'), 'utf8'),
  ) as {
    Plugins: { Name: string; Schema: SchemaSpec }[]
  }
  return Object.fromEntries(dump.Plugins.map(plugin => [plugin.Name, plugin.Schema]))
}

/** Replays one recorded scenario; gives what differs. */
async function replay(
  adminUrl: string,
  folder: string,
  scenario: string,
): Promise<{ code: number | null; output: string }> {
  const child = spawn(
    process.execPath,
    [
      path.join(CONTRACT, 'kong-reference/replay.mjs'),
      '--compare',
      path.join(CONTRACT, folder, 'answers'),
      path.join(CONTRACT, folder, 'scenarios', `${scenario}.json`),
    ],
    {
      env: {
        ADMIN_URL: adminUrl,
        PROXY_URL: adminUrl,
        SETTLE_MS: '0',
        UPSTREAM_PORT: String(await freePort()),
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const code = await new Promise<number | null>(resolve => child.on('close', resolve))
  return { code, output }
}

describe('the Admin API answers as a recorded Kong', () => {
  let admin: RunningAdmin
  before(async () => {
    admin = await startAdminServer({ plugins: dumpedSchemas() })
  })
  after(() => admin.close())

  for (const [folder, scenarios] of Object.entries(SCENARIOS))
    for (const scenario of scenarios)
      it(`in ${scenario}`, async () => {
        const { code, output } = await replay(admin.url, folder, scenario)
        assert.deepEqual(admin.errors, [])
        assert.equal(code, 0, output)
      })
})
