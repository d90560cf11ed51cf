import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { makeFolder, type TestFolder } from '../support/folder.ts'

const SLUICE = path.resolve(import.meta.dirname, '..', '..', 'cli', 'sluice.js')

describe('sluice validate', () => {
  let folder: TestFolder
  beforeEach(() => {
    folder = makeFolder()
  })
  afterEach(() => folder.remove())

  const validate = (text: string, ...args: string[]) => {
    writeFileSync(path.join(folder.path, 'kong.yaml'), text)
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [SLUICE, 'validate', '-f', 'kong.yaml', ...args],
      { cwd: folder.path, env: { PATH: process.env.PATH, API_KEY: 'planted-key' }, encoding: 'utf8' },
    )
    return { status, out: stdout, err: stderr }
  }
  const head = '_format_version: "3.0"\n'

  it('checks entities, bundled plugins and shipped plugins without a Kong', () => {
    const text = `${head}
services:
- { name: s, url: "http://h:80/a?b=1" }
- name: t
  url: http://h
  routes:
  - { name: r, paths: [/a/../b], plugins: [{ name: rate-limiting, config: { policy: local, minute: x } }] }
plugins:
- { name: qos, config: { tiers: { gold: { limits: [{ name: m, requests: 5, per: 60 }] } }, default_tier: nope } }
certificates: [{ cert: nonsense, key: nonsense }]
`
    const { status, out, err } = validate(text)
    assert.deepEqual([status, out], [1, ''])
    assert.deepEqual(
      err
        .trim()
        .split('\n')
        .map(line =>
          line
            .replace(/:\d+: /, ' ')
            .replace(/error:.*/, '<openssl error>')
            .trim(),
        ),
      [
        'sluice: kong.yaml:4 url: a service takes no query in its URL: ?b=1',
        "kong.yaml:8 paths.0: non-normalized path, consider use '/b' instead",
        'kong.yaml:8 config.minute: expected a number',
        'kong.yaml:10 the plugin qos refuses it: config.default_tier: there is no tier "nope"',
        'kong.yaml:11 cert: invalid certificate: x509.new: <openssl error>',
        'kong.yaml:11 key: invalid key: pkey.new:load_key: <openssl error>',
        'SLUICE_STATE_INVALID: Correct the declared state at the named line and column.',
      ],
    )
  })

  it('names what it could not check, and is content', () => {
    const text = `${head}
plugins: [{ name: my-plugin, config: { x: 1 } }]
routes: [{ name: r, service: elsewhere, paths: [/a] }]
`
    const { status, out, err } = validate(text)
    assert.deepEqual([status, out], [0, 'Valid: 2 entities.\n'])
    assert.equal(
      err,
      'warning: kong.yaml:4:21: there is no service "elsewhere" here; Kong must hold it\n' +
        'warning: kong.yaml:3:13: the plugin "my-plugin" is not known here: it was not checked\n',
    )
  })

  it('runs the checks of other plugins, without the settings that they have on their server', () => {
    const plugin = `export const plugin = {
      name: 'mine',
      version: '1.0.0',
      priority: 1,
      config: { type: 'object', properties: { x: { type: 'string' } }, required: ['x'] },
      settings: { type: 'object', properties: { url: { type: 'string' } }, required: ['url'] },
      instance(config, { host }) {
        if (host.settings.url.length > 0 && config.x === 'bad') throw new Error('config.x: is bad')
      },
      phases: { access() {} },
    }`
    mkdirSync(path.join(folder.path, 'plugins'))
    writeFileSync(path.join(folder.path, 'plugins', 'mine.mjs'), plugin)
    const entry = (x: string) => `${head}plugins: [{ name: mine, config: { x: "${x}" } }]\n`
    assert.deepEqual(validate(entry('a'), '--plugins', 'plugins'), {
      status: 0,
      out: 'Valid: 1 entity.\n',
      err: '',
    })
    const { status, err } = validate(entry('bad'), '--plugins', 'plugins')
    assert.equal(status, 1)
    assert.match(err, /^sluice: kong\.yaml:2:\d+: the plugin mine refuses it: config\.x: is bad\n/)
  })

  it('checks the plugins of other plugin servers by their dumps', () => {
    const fields = [{ config: { type: 'record', fields: [{ x: { type: 'string', required: true } }] } }]
    const dump = { Plugins: [{ Name: 'my-plugin', Schema: { name: 'my-plugin', fields } }] }
    writeFileSync(path.join(folder.path, 'dump.json'), JSON.stringify(dump))
    const text = `${head}plugins: [{ name: my-plugin, config: { x: 1 } }]\n`
    const { status, err } = validate(text, '--plugin-dump', 'dump.json')
    assert.equal(status, 1)
    assert.match(err, /^sluice: kong\.yaml:2:40: config\.x: expected a string\n/)
  })

  it('prints JSON, in which no secret stands', () => {
    const text = `${head}services: [{ name: s, host: h, port: '\${{ env "API_KEY" }}' }]\nplugins: [{ name: '\${{ env "API_KEY" }}' }]\n`
    const { status, out, err } = validate(text, '--json')
    assert.deepEqual([status, err], [1, ''])
    const { valid, mistakes } = JSON.parse(out)
    assert.equal(valid, false)
    assert.deepEqual(mistakes, [
      { file: 'kong.yaml', line: 2, column: 32, text: 'port: expected an integer' },
    ])
    assert.ok(!out.includes('planted'))
    const good = validate(`${head}services: [{ name: s, host: h }]\n`, '--json')
    assert.deepEqual(JSON.parse(good.out), { valid: true, entities: 1, warnings: [], notices: [] })
  })
})
