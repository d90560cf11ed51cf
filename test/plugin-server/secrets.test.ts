/** What the server knows and its plugins must not: each secret is planted, and looked for in all that they can reach. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { createLogger } from '../../foundation/log.ts'
import { readSettings } from '../../foundation/settings.ts'
import { SETTINGS } from '../../foundation/settings-table.ts'
import { startServer } from '../../plugin-server/main.ts'
import { loadShippedPlugins } from '../../plugin-server/plugins.ts'
import { definePlugin, Type } from '../../sdk/sdk.ts'
import { connectProtobuf } from '../support/fake-kong.ts'
import { makeFolder } from '../support/folder.ts'
import { reachableFrom } from '../support/reachable.ts'

const planted = (name: string) => `planted-${name}-0123456789abcdef`

/** A valid value of every secret setting, with something to look for in it. */
const SECRETS: Readonly<Record<string, string>> = {
  SLUICE_REDIS_URL: `redis://user:${planted('redis')}@127.0.0.1:1/0`,
  SLUICE_POSTGRES_URL: `postgres://user:${planted('postgres')}@127.0.0.1:1/x`,
  SLUICE_AMQP_URL: `amqp://user:${planted('amqp')}@127.0.0.1:1/`,
  SLUICE_FINGERPRINT_SECRET: planted('fingerprint-secret-of-the-audit'),
  SLUICE_FINGERPRINT_OLD_SECRETS: planted('fingerprint-of-old'),
  SLUICE_ADMIN_URL: `http://user:${planted('admin')}@127.0.0.1:1`,
  SLUICE_MANAGER_KEY: planted('manager-key'),
  SLUICE_MANAGER_POSTGRES_URL: `postgres://user:${planted('manager-postgres')}@127.0.0.1:1/x`,
  SLUICE_MANAGER_TOKEN: planted('manager-token'),
  SLUICE_LOOPBACK_SECRET: planted('loopback'),
  SLUICE_OTHER_TOKEN: planted('token-of-another-plugin'),
}

describe('the secrets of the server', function () {
  this.timeout(30_000)

  it('are all planted in this test', () => {
    const secret = Object.values<{ env: string; secret?: true }>(SETTINGS).filter(one => one.secret)
    assert.deepEqual(
      secret.filter(({ env }) => !(env in SECRETS)),
      [],
    )
  })

  it('can not be reached from what a plugin is given', async () => {
    const folder = makeFolder()
    const seen: Record<string, unknown> = {}
    const other = definePlugin({
      name: 'other',
      version: '1.0.0',
      priority: 2,
      config: Type.Object({}),
      settings: Type.Object({ token: Type.String({ secret: true }) }),
      phases: { access() {} },
    })
    const curious = definePlugin({
      name: 'curious',
      version: '1.0.0',
      priority: 1,
      config: Type.Object({}),
      settings: Type.Object({ own: Type.String() }),
      memory(host) {
        seen.host = host
        return {}
      },
      instance(_config, context) {
        seen.instanceContext = context
        return {}
      },
      phases: {
        access(kong, context) {
          seen.kong = kong
          seen.context = context
        },
      },
    })
    writeFileSync(path.join(folder.path, 'own'), 'own-setting\n')
    const settings = readSettings({
      ...SECRETS,
      SLUICE_CURIOUS_OWN_FILE: path.join(folder.path, 'own'),
      SLUICE_SOCKET: path.join(folder.path, 's.sock'),
      SLUICE_SPOOL_DIR: path.join(folder.path, 'spool'),
      SLUICE_HTTP: 'off',
    })
    const server = await startServer(settings, {
      plugins: [...(await loadShippedPlugins()), other, curious],
      log: createLogger('silent'),
    })
    const kong = await connectProtobuf(server.socket)
    try {
      await kong.event(await kong.startInstance('curious', {}), 'access')
      const found = reachableFrom(seen)
      const texts = found.flatMap(({ place, value }) => {
        if (value instanceof Uint8Array) return [{ place, text: Buffer.from(value).toString('latin1') }]
        return typeof value === 'string' ? [{ place, text: value }] : []
      })
      assert.ok(texts.some(({ place, text }) => place.endsWith('.settings.own') && text === 'own-setting'))
      assert.deepEqual(Object.keys(seen).sort(), ['context', 'host', 'instanceContext', 'kong'])
      for (const part of [
        '.log',
        '.store',
        '.events',
        '.metrics',
        '.clock',
        '.fetch',
        '.response',
        '.client',
      ])
        assert.ok(
          found.some(({ place }) => place.includes(part)),
          `${part} was not looked at`,
        )
      assert.deepEqual(
        texts.filter(({ text }) => text.includes('planted-')).map(({ place }) => place),
        [],
      )
    } finally {
      kong.close()
      await server.close()
      folder.remove()
    }
  })
})
