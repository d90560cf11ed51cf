import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { type RunningAdmin, startAdminServer } from '../support/admin-server.ts'
import { freePort } from '../support/ports.ts'

const CONTRACT = path.resolve(import.meta.dirname, '../../../test/contract')

/** The recorded scenarios that need no proxy, by their folder. */
const SCENARIOS: Readonly<Record<string, readonly string[]>> = {
  'kong-reference': ['admin-services', 'admin-routes', 'admin-consumers', 'admin-plugins'],
  'kong-admin': readdirSync(path.join(CONTRACT, 'kong-admin/scenarios')).map(file => path.parse(file).name),
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
    admin = await startAdminServer()
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
