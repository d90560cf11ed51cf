import assert from 'node:assert/strict'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { SluiceError } from '../../foundation/errors.ts'
import { parseAddress, readSettings } from '../../foundation/settings.ts'
import { unknownVariables } from '../../foundation/unknown-variables.ts'

const problemsOf = (env: Record<string, string>): string[] => {
  try {
    readSettings(env)
  } catch (error) {
    assert.ok(error instanceof SluiceError)
    assert.equal(error.code, 'SLUICE_CONFIG_INVALID')
    return error.details.problems as string[]
  }
  return []
}

describe('settings', () => {
  it('have the documented defaults', () => {
    const settings = readSettings({})
    assert.deepEqual(settings.http, { host: '127.0.0.1', port: 9542 })
    assert.equal(settings.logLevel, 'info')
    assert.equal(settings.redisUrl, undefined)
    assert.equal(settings.socket, path.resolve('.sluice/run/sluice.sock'))
  })

  it('name every wrong value with its reason, at once', () => {
    const problems = problemsOf({
      SLUICE_REDIS_URL: 'http://x',
      SLUICE_HTTP: 'nowhere',
      SLUICE_LOG_LEVEL: 'loud',
      SLUICE_SPOOL_MAX_BYTES: '-1',
    })
    assert.equal(problems.length, 4)
    assert.match(problems[0]!, /SLUICE_REDIS_URL: has the scheme http:\/\//)
    assert.match(problems.join('\n'), /SLUICE_HTTP: "nowhere" is not HOST:PORT/)
  })

  it('never show a secret in an error', () => {
    const problems = problemsOf({ SLUICE_POSTGRES_URL: 'mysql://u:hunter2@h/d', SLUICE_AMQP_URL: 'hunter2' })
    assert.equal(problems.length, 2)
    assert.doesNotMatch(problems.join('\n'), /hunter2/)
  })

  it('name a misspelt variable', () => {
    assert.match(
      problemsOf({ SLUICE_REDISURL: 'redis://x' })[0]!,
      /SLUICE_REDISURL: is not a setting of Sluice; did you mean SLUICE_REDIS_URL\?/,
    )
  })

  it('leave a variable alone that may be a plugin’s, unless the plugins are known', () => {
    const env = { SLUICE_GREETER_TOKEN: 'x', SLUICE_GREETER_NAME_FILE: '/x' }
    assert.equal(readSettings(env).logLevel, 'info')
    assert.deepEqual(unknownVariables(env, ['SLUICE_GREETER_NAME']), [
      'SLUICE_GREETER_TOKEN: is not a setting of Sluice or of a loaded plugin',
    ])
  })

  it('read a secret from a file', () => {
    const file = path.join(mkdtempSync(path.join(tmpdir(), 'sluice-config-')), 'secret')
    writeFileSync(file, 's3cret\n')
    assert.equal(readSettings({ SLUICE_FINGERPRINT_SECRET_FILE: file }).fingerprintSecret, 's3cret')
    assert.match(
      problemsOf({ SLUICE_FINGERPRINT_SECRET_FILE: '/none' })[0]!,
      /SLUICE_FINGERPRINT_SECRET_FILE: cannot read \/none: it does not exist/,
    )
    assert.match(
      problemsOf({ SLUICE_FINGERPRINT_SECRET_FILE: file, SLUICE_FINGERPRINT_SECRET: 'x' })[0]!,
      /keep one/,
    )
  })

  it('take several Redis URLs as a cluster', () => {
    assert.deepEqual(readSettings({ SLUICE_REDIS_URL: 'redis://a:1,redis://b:2' }).redisUrl, [
      'redis://a:1',
      'redis://b:2',
    ])
  })
})

describe('an address', () => {
  it('may be IPv6 in brackets', () => {
    assert.deepEqual(parseAddress('[::1]:80'), { host: '::1', port: 80 })
    assert.throws(() => parseAddress('::1:80'), /not HOST:PORT/)
    assert.throws(() => parseAddress('h:65536'), /not HOST:PORT/)
  })
})
