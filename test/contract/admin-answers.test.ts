import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import path from 'node:path'
import { type RunningAdmin, startAdminServer } from '../support/admin-server.ts'
import { freePort } from '../support/ports.ts'

const REFERENCE = path.resolve(import.meta.dirname, '../../../test/contract/kong-reference')

/** Replays one recorded scenario; gives what differs. */
async function replay(adminUrl: string, scenario: string): Promise<{ code: number | null; output: string }> {
  const child = spawn(
    process.execPath,
    [
      path.join(REFERENCE, 'replay.mjs'),
      '--compare',
      path.join(REFERENCE, 'answers'),
      path.join(REFERENCE, 'scenarios', `${scenario}.json`),
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

  for (const scenario of ['admin-services', 'admin-routes', 'admin-consumers', 'admin-plugins'])
    it(`in ${scenario}`, async () => {
      const { code, output } = await replay(admin.url, scenario)
      assert.deepEqual(admin.errors, [])
      assert.equal(code, 0, output)
    })
})
