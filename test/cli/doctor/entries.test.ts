import assert from 'node:assert/strict'
import { findEntryProblems } from '../../../cli/doctor/entries.ts'
import { AdminClient } from '../../../kong/admin/client.ts'
import type { SchemaSpec } from '../../../kong/schema/spec.ts'
import { describePlugin } from '../../../plugin-server/runtime/info.ts'
import type { AnyPlugin } from '../../../plugin-server/runtime/registry.ts'
import { plugin as qos } from '../../../plugins/qos/plugin.ts'
import { plugin as responseCache } from '../../../plugins/response-cache/plugin.ts'
import { plugin as sluice } from '../../../plugins/sluice/plugin.ts'
import { startAdminServer } from '../../support/admin-server.ts'

const cache: AnyPlugin = responseCache

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

  it('warns of plugins that response-cache silences, and of credentials that it does not see', async () => {
    const reader: AnyPlugin = { ...cache, name: 'reader' }
    const schemaOf = (plugin: AnyPlugin) => describePlugin(plugin).Schema as unknown as SchemaSpec
    const admin = await startAdminServer({
      plugins: { 'response-cache': schemaOf(cache), reader: schemaOf(reader), 'key-auth': KEY_AUTH },
    })
    const client = new AdminClient({ url: admin.url })
    const examine = async () =>
      (await findEntryProblems(client, [reader])).map(({ state, message }) => `${state}: ${message}`)
    try {
      await client.request('POST', '/services', { name: 's', host: 'h' })
      await client.request('POST', '/services', { name: 'other', host: 'h' })
      await client.request('POST', '/services/other/plugins', { name: 'reader', config: {} })
      const config = { stale_if_error: 60 }
      await client.request('POST', '/services/s/plugins', { name: 'response-cache', config })
      assert.deepEqual(await examine(), [])
      await client.request('POST', '/services/s/plugins', { name: 'reader', config: {} })
      await client.request('POST', '/plugins', { name: 'key-auth', config: { hide_credentials: true } })
      assert.deepEqual(
        (await examine()).map(line => line.slice(0, 75)),
        [
          'warn: plugin response-cache (service s) switches buffering off where it does not need it',
          'warn: plugin response-cache (service s) fetches stale answers through the proxy',
        ].map(line => line.slice(0, 75)),
      )
    } finally {
      await client.close()
      await admin.close()
    }
  })
})

const KEY_AUTH: SchemaSpec = {
  name: 'key-auth',
  fields: [{ config: { type: 'record', fields: [{ hide_credentials: { type: 'boolean' } }] } }],
} as unknown as SchemaSpec
