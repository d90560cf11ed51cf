import assert from 'node:assert/strict'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { SluiceError } from '../../../foundation/errors.ts'
import { readPluginSettings, readServerSettings } from '../../../plugin-server/runtime/plugin-settings.ts'
import type { AnyPlugin } from '../../../plugin-server/runtime/registry.ts'
import { composePlugins, definePlugin, Type } from '../../../sdk/sdk.ts'

const greeter: AnyPlugin = definePlugin({
  name: 'greeter-bot',
  version: '1.0.0',
  priority: 1,
  config: Type.Object({}),
  settings: Type.Object({
    apiKey: Type.String({ secret: true, minLength: 8 }),
    retries: Type.Integer({ default: 3, minimum: 0 }),
    loud: Type.Optional(Type.Boolean()),
    mode: Type.Optional(Type.Enum(['fast', 'safe'])),
    hosts: Type.Optional(Type.Array(Type.String())),
    legacy: Type.Optional(Type.String({ env: 'SLUICE_OLD_NAME' })),
  }),
  phases: { access() {} },
})

const read = (env: Record<string, string>) => readPluginSettings([greeter], env).get('greeter-bot')

function problemsOf(env: Record<string, string>): string {
  try {
    readServerSettings(env, [greeter])
  } catch (error) {
    assert.ok(error instanceof SluiceError)
    assert.equal(error.code, 'SLUICE_CONFIG_INVALID')
    return error.message
  }
  return ''
}

describe('the settings of a plugin', () => {
  it('come from variables with its name, or of the name that it gives, by their types', () => {
    assert.deepEqual(
      read({
        SLUICE_GREETER_BOT_API_KEY: '12345678',
        SLUICE_GREETER_BOT_LOUD: 'on',
        SLUICE_GREETER_BOT_MODE: 'safe',
        SLUICE_GREETER_BOT_HOSTS: 'a, b',
        SLUICE_OLD_NAME: 'x',
      }),
      { apiKey: '12345678', retries: 3, loud: true, mode: 'safe', hosts: ['a', 'b'], legacy: 'x' },
    )
  })

  it('come from files', () => {
    const file = path.join(mkdtempSync(path.join(tmpdir(), 'sluice-settings-')), 'key')
    writeFileSync(file, 'from a file\n')
    assert.equal(read({ SLUICE_GREETER_BOT_API_KEY_FILE: file })?.apiKey, 'from a file')
  })

  it('are those of members, too', () => {
    const values = readPluginSettings([composePlugins('both', '1.0.0', [greeter])], {
      SLUICE_GREETER_BOT_API_KEY: '12345678',
    })
    assert.equal(values.get('greeter-bot')?.apiKey, '12345678')
  })

  it('are all checked at once with those of the server, without a value in any error', () => {
    const message = problemsOf({
      SLUICE_LOG_LEVEL: 'loud',
      SLUICE_GREETER_BOT_API_KEY: 'hunter2',
      SLUICE_GREETER_BOT_RETRIES: 'many',
      SLUICE_GREETER_BOT_LOUD: 'very',
      SLUICE_GREETER_BOT_MODE: 'hunter2',
      SLUICE_GREETER_BOT_TYPO: 'x',
      SLUICE_OLD_NAME_FILE: '/none',
    })
    assert.deepEqual(
      message
        .split('\n')
        .slice(1)
        .map(line => line.trim().split(':')[0]!.split(' ')[0]),
      [
        'SLUICE_LOG_LEVEL',
        'SLUICE_GREETER_BOT_API_KEY',
        'SLUICE_GREETER_BOT_RETRIES',
        'SLUICE_GREETER_BOT_LOUD',
        'SLUICE_GREETER_BOT_MODE',
        'SLUICE_OLD_NAME',
        'SLUICE_GREETER_BOT_TYPO',
      ],
    )
    assert.doesNotMatch(message, /hunter2/)
  })

  it('are no numbers where nothing but spaces is given', () => {
    const message = problemsOf({ SLUICE_GREETER_BOT_API_KEY: '12345678', SLUICE_GREETER_BOT_RETRIES: ' ' })
    assert.match(message, /SLUICE_GREETER_BOT_RETRIES/)
  })

  it('are required unless they are optional or have a default', () => {
    assert.match(problemsOf({}), /SLUICE_GREETER_BOT_API_KEY: is required by the plugin greeter-bot/)
  })
})
