import assert from 'node:assert/strict'
import { findEntryProblems } from '../../../cli/doctor/entries.ts'
import { AdminClient } from '../../../kong/admin/client.ts'
import type { SchemaSpec } from '../../../kong/schema/spec.ts'
import { describePlugin } from '../../../plugin-server/runtime/info.ts'
import type { AnyPlugin } from '../../../plugin-server/runtime/registry.ts'
import { plugin as qos } from '../../../plugins/qos/plugin.ts'
import { plugin as sluice } from '../../../plugins/sluice/plugin.ts'
import { startAdminServer } from '../../support/admin-server.ts'

describe('the doctor, looking at the plugin entries in Kong', () => {
  it('warns of an entry of sluice that loses a member', async () => {
    const schema = describePlugin(sluice).Schema as unknown as SchemaSpec
    const admin = await startAdminServer({ plugins: { sluice: schema } })
    const client = new AdminClient({ url: admin.url })
    const examine = async () =>
      (await findEntryProblems(client, [sluice])).map(({ state, message }) => [state, message])
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
  it('names an entry that its plugin refuses though the schema allows it', async () => {
    const plugin: AnyPlugin = qos
    const schema = describePlugin(plugin).Schema as unknown as SchemaSpec
    const admin = await startAdminServer({ plugins: { qos: schema } })
    const client = new AdminClient({ url: admin.url })
    try {
      await client.request('POST', '/services', { name: 's', host: 'h' })
      const tiers = { gold: { limits: [{ name: 'minute', requests: 5, per: 60 }] } }
      const config = { tiers, default_tier: 'nope' }
      await client.request('POST', '/services/s/plugins', { name: 'qos', config })
      const [finding, ...others] = await findEntryProblems(client, [qos])
      assert.deepEqual(others, [])
      assert.equal(finding?.state, 'fail')
      assert.equal(finding?.message, 'plugin qos (service s): config.default_tier: there is no tier "nope"')
    } finally {
      await client.close()
      await admin.close()
    }
  })
})
