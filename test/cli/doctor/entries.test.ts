import assert from 'node:assert/strict'
import { checkEntries } from '../../../cli/doctor/entries.ts'
import { readSettings } from '../../../foundation/settings.ts'
import { AdminClient } from '../../../kong/admin/client.ts'
import type { SchemaSpec } from '../../../kong/schema/spec.ts'
import { describePlugin } from '../../../plugin-server/runtime/info.ts'
import { plugin as sluice } from '../../../plugins/sluice/plugin.ts'
import { startAdminServer } from '../../support/admin-server.ts'

describe('the doctor, looking at the plugin entries in Kong', () => {
  it('warns of an entry of sluice that loses a member', async () => {
    const schema = describePlugin(sluice).Schema as unknown as SchemaSpec
    const admin = await startAdminServer({ plugins: { sluice: schema } })
    const client = new AdminClient({ url: admin.url })
    const examine = async () => {
      const patient = { settings: readSettings({}), plugins: [], dumpCommand: [], adminUrl: admin.url }
      return (await checkEntries(patient)).map(({ state, message }) => [state, message])
    }
    try {
      assert.deepEqual(await examine(), [])
      const config = { circuit_breaker: {}, key_auth_audit: {} }
      await client.request('POST', '/plugins', { name: 'sluice', config })
      assert.deepEqual(await examine(), [['ok', 'no entry of sluice loses a member']])
      await client.request('POST', '/services', { name: 's', host: 'h' })
      await client.request('POST', '/services/s/plugins', { name: 'sluice', config: { key_auth_audit: {} } })
      assert.deepEqual(await examine(), [
        [
          'warn',
          'plugin sluice (service s) takes the place of plugin sluice (everywhere) there, and lacks circuit_breaker',
        ],
      ])
    } finally {
      await client.close()
      await admin.close()
    }
  })
})
