import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import type { TLSSocket } from 'node:tls'
import pg from 'pg'
import type { SchemaSpec } from '../../kong/schema/spec.ts'
import { describePlugin } from '../../plugin-server/runtime/info.ts'
import type { AnyPlugin } from '../../plugin-server/runtime/registry.ts'
import { plugin as qos } from '../../plugins/qos/plugin.ts'
import { type RunningAdmin, startAdminServer } from '../support/admin-server.ts'
import { makeCertificates } from '../support/certificates.ts'
import { makeFolder, type TestFolder } from '../support/folder.ts'
import { freePort } from '../support/ports.ts'
import { START_MS, sharedPostgres } from '../support/services.ts'

const SLUICE = path.resolve(import.meta.dirname, '..', '..', 'cli', 'sluice.js')
const STATE = `_format_version: "3.0"
services: [{ name: s, host: h }]
consumers: [{ username: c, keyauth_credentials: [{ key: '\${{ env "DECK_KEY" }}' }] }]
`

describe('sluice plan, apply and dump-state', () => {
  let admin: RunningAdmin
  let folder: TestFolder
  beforeEach(async () => {
    admin = await startAdminServer()
    folder = makeFolder()
    writeFileSync(path.join(folder.path, 'kong.yaml'), STATE)
  })
  afterEach(async () => {
    await admin.close()
    folder.remove()
  })

  interface Ended {
    readonly status: number | null
    readonly out: string
    readonly err: string
  }
  const sluice = (...args: string[]): Promise<Ended> => sluiceWith({}, args)
  const sluiceWith = async (
    env: Record<string, string>,
    args: readonly string[],
    input = '',
  ): Promise<Ended> => {
    const child = spawn(process.execPath, [SLUICE, ...args], {
      cwd: folder.path,
      env: {
        ...env,
        PATH: process.env.PATH,
        SLUICE_ADMIN_URL: admin.url,
        SLUICE_SPOOL_DIR: 'spool',
        DECK_KEY: 'planted-key',
      },
      stdio: 'pipe',
    })
    child.stdin.end(input)
    const [out, err]: Buffer[][] = [[], []]
    child.stdout.on('data', chunk => out!.push(chunk))
    child.stderr.on('data', chunk => err!.push(chunk))
    const status = await new Promise<number | null>(resolve => child.on('close', resolve))
    return { status, out: Buffer.concat(out!).toString(), err: Buffer.concat(err!).toString() }
  }

  it('plan exits with 2 when there are changes, apply makes them, and then plan exits with 0', async () => {
    const plan = await sluice('plan', '-f', 'kong.yaml')
    assert.equal(plan.status, 2, plan.err)
    assert.equal(
      plan.out,
      `+ service s
    host: "h"
+ consumer c
    username: "c"
+ key-auth credential (consumer c)
    key: "[masked]"
3 to create, 0 to change, 0 to delete, 0 unchanged.
`,
    )
    const apply = await sluice('apply', '-f', 'kong.yaml')
    assert.equal(apply.status, 0, apply.err)
    assert.equal(
      apply.out,
      '+ service s\n+ consumer c\n+ key-auth credential (consumer c)\n3 created, 0 changed, 0 deleted, 0 unchanged.\n',
    )
    assert.deepEqual(await sluice('plan', '-f', 'kong.yaml'), {
      status: 0,
      out: 'No changes: 3 entities are as declared.\n',
      err: '',
    })
  })

  it('stores an event for each change in PostgreSQL, once, with masked values', async function () {
    this.timeout(START_MS)
    const url = await (await sharedPostgres()).createDatabase()
    const env = { SLUICE_POSTGRES_URL: url }
    assert.equal((await sluiceWith(env, ['apply', '-f', 'kong.yaml', '--actor', 'tester'])).status, 0)
    assert.equal((await sluiceWith(env, ['apply', '-f', 'kong.yaml', '--actor', 'tester'])).status, 0)
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      const { rows } = await client.query(
        "select type, data from gateway_events where type like 'gateway.%' order by type",
      )
      assert.deepEqual(
        rows.map(row => [row.type, row.data.actor, row.data.name]),
        [
          ['gateway.consumer.created.v1', 'tester', 'consumer c'],
          ['gateway.keyauth_credential.created.v1', 'tester', 'key-auth credential (consumer c)'],
          ['gateway.service.created.v1', 'tester', 'service s'],
        ],
      )
      assert.equal(rows[1].data.after.key, '[masked]')
      assert.ok(!JSON.stringify(rows).includes('planted'))
    } finally {
      await client.end()
    }
  })

  it('prints JSON without secrets', async () => {
    const { out } = await sluice('plan', '-f', 'kong.yaml', '--json')
    const { changes, summary } = JSON.parse(out)
    assert.deepEqual(summary, { create: 3, update: 0, delete: 0, unchanged: 0 })
    assert.equal(changes[2].after.key, '[masked]')
    assert.ok(!out.includes('planted'))
  })

  it('takes the select tag from the command line', async () => {
    await sluice('apply', '-f', 'kong.yaml', '--select-tag', 'mine')
    const { out, err } = await sluice('dump-state', '--select-tag', 'mine')
    assert.match(
      out,
      /^_format_version: "3\.0"\n_info:\n {2}select_tags:\n {4}- mine\nservices:\n {2}- name: s\n/,
    )
    assert.equal(err, 'Secrets are left out: set DECK_C_KEYAUTH_KEY before you apply the file.\n')
    assert.equal((await sluice('dump-state', '--select-tag', 'other')).out.includes('services'), false)
  })

  it('counts one entity as one, and those that it leaves as unchanged', async () => {
    const one = `_format_version: "3.0"\nservices: [{ name: s, host: h }]\n`
    writeFileSync(path.join(folder.path, 'one.yaml'), one)
    await sluice('apply', '-f', 'one.yaml')
    assert.equal((await sluice('plan', '-f', 'one.yaml')).out, 'No changes: 1 entity is as declared.\n')
    writeFileSync(path.join(folder.path, 'one.yaml'), one.replace('}]', '}, { name: t, host: h }]'))
    assert.match(
      (await sluice('plan', '-f', 'one.yaml')).out,
      /^1 to create, 0 to change, 0 to delete, 1 unchanged\.$/m,
    )
  })

  it('exits with 1 for a mistake in the file, with its place', async () => {
    writeFileSync(path.join(folder.path, 'kong.yaml'), `${STATE}nonsense: []\n`)
    const { status, out, err } = await sluice('plan', '-f', 'kong.yaml')
    assert.deepEqual([status, out], [1, ''])
    assert.match(err, /^sluice: kong\.yaml:4:1: unknown kind of entity/)
    assert.match(
      err,
      /\n {2}SLUICE_STATE_INVALID: Correct the declared state at the named line and column\.\n$/,
    )
  })

  it('exits with 1 when Kong does not answer in time', async () => {
    const url = `http://127.0.0.1:${await freePort()}`
    const { status, err } = await sluice('apply', '-f', 'kong.yaml', '--admin-url', url, '--wait', '0')
    assert.equal(status, 1)
    assert.match(err, /^sluice: no answer from the Admin API at http:\S+: connect ECONNREFUSED/)
  })
  it('applies all though its output cannot be written, as on a full disk', async () => {
    const full = openSync('/dev/full', 'w')
    const child = spawn(process.execPath, [SLUICE, 'apply', '-f', 'kong.yaml', '--admin-url', admin.url], {
      cwd: folder.path,
      env: { PATH: process.env.PATH, DECK_KEY: 'planted-key' },
      stdio: ['ignore', full, 'pipe'],
    })
    let said = ''
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    assert.deepEqual(await once(child, 'close'), [0, null], said)
    closeSync(full)
    assert.match(said, /^sluice: cannot write to standard output: ENOSPC/m)
    assert.equal((await sluice('plan', '-f', 'kong.yaml')).status, 0)
  })
  it('names an Admin API that speaks no TLS', async () => {
    const url = admin.url.replace('http:', 'https:')
    const { status, err } = await sluice('plan', '-f', 'kong.yaml', '--admin-url', url, '--wait', '0')
    assert.equal(status, 1)
    assert.match(err, /^sluice: no answer from the Admin API at https:\S+: it does not speak TLS there/)
  })
  it('says that it waits for a Kong that takes requests and does not answer, and ends on Ctrl-C', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
    const child = spawn(
      process.execPath,
      [SLUICE, 'apply', '-f', 'kong.yaml', '--admin-url', url, '--wait', '0'],
      {
        cwd: folder.path,
        env: { PATH: process.env.PATH, DECK_KEY: 'planted-key' },
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    )
    const ended = once(child, 'close')
    const [said] = await once(child.stderr, 'data')
    assert.equal(String(said), `waiting for Kong at ${url} …\n`)
    let more = ''
    child.stderr.on('data', chunk => {
      more += chunk
    })
    child.kill('SIGINT')
    assert.deepEqual(await ended, [1, null])
    assert.match(more, /^sluice: ended while waiting for Kong at http:/)
    silent.close()
    silent.closeAllConnections()
  })
  it('names every mistake of a file though a variable is not set, each once and with its file', async () => {
    const file = path.join(folder.path, 'kong.yaml')
    const text = `_format_version: "3.0"
services:
- { name: s, host: '\${{ env "NOPE" }}', port: 70000 }
- { name: t, host: h, portt: 1 }
consumers: [{ username: c, keyauth_credentials: [{ key: '\${{ env "NOPE" }}' }] }]
`
    writeFileSync(file, text)
    const { status, err } = await sluice('plan', '-f', 'kong.yaml', '-f', './kong.yaml')
    assert.equal(status, 1)
    const lines = err.trim().split('\n').slice(0, -1)
    assert.deepEqual(lines, [
      'sluice: kong.yaml:3:21: the environment variable NOPE is not set',
      'kong.yaml:3:41: port: value should be between 0 and 65535',
      'kong.yaml:4:23: portt: unknown field',
      'kong.yaml:5:58: the environment variable NOPE is not set',
    ])
    // Kong is not waited for, and what the file alone shows is told without it.
    const url = `http://127.0.0.1:${await freePort()}`
    const alone = await sluice('plan', '-f', 'kong.yaml', '--admin-url', url)
    assert.match(
      alone.err,
      /^sluice: kong\.yaml:3:21: the environment variable NOPE is not set\nkong\.yaml:5:58: /,
    )
  })

  it('apply ends what it has begun when nobody reads its output any more', async () => {
    const services = Array.from({ length: 60 }, (_, i) => `- { name: s${i}, host: h }\n`)
    writeFileSync(
      path.join(folder.path, 'many.yaml'),
      `_format_version: "3.0"\nservices:\n${services.join('')}`,
    )
    const child = spawn(process.execPath, [SLUICE, 'apply', '-f', 'many.yaml'], {
      cwd: folder.path,
      env: { PATH: process.env.PATH, SLUICE_ADMIN_URL: admin.url, SLUICE_SPOOL_DIR: 'spool' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.stdout.destroy()
    child.stderr.destroy()
    assert.equal(await new Promise<number | null>(resolve => child.on('exit', resolve)), 0)
    const held = (await (await fetch(`${admin.url}/services?size=1000`)).json()) as { data: unknown[] }
    assert.equal(held.data.length, 60)
  })

  it('reads folders, and standard input', async () => {
    mkdirSync(path.join(folder.path, 'states', 'deep'), { recursive: true })
    const write = (name: string, text: string) => writeFileSync(path.join(folder.path, 'states', name), text)
    write('a.yaml', '_format_version: "3.0"\nservices: [{ name: a, host: h }]\n')
    write('deep/b.json', '{"_format_version":"3.0","routes":[{"name":"r","service":"a","paths":["/r"]}]}')
    write('kong.schema.json', '{}')
    write('notes.txt', 'not a state')
    assert.match((await sluice('plan', '-f', 'states')).out, /^\+ service a\n.*\+ route r \(service a\)\n/s)
    mkdirSync(path.join(folder.path, 'empty'))
    assert.match(
      (await sluice('plan', '-f', 'empty')).err,
      /^sluice: --file: empty holds no \.yaml, \.yml or \.json file\n/,
    )
    const text = '_format_version: "3.0"\nservices: [{ name: a, host: h }]\n'
    const { out: piped } = await sluiceWith({}, ['plan', '-f', '-'], text)
    assert.match(piped, /^\+ service a\n/)
  })

  it('says that it found another server than the Admin API', async () => {
    const proxy = createServer((_request, response) =>
      response.writeHead(404).end('{"message":"no Route matched with those values"}'),
    )
    await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    const { status, err } = await sluice('plan', '-f', 'kong.yaml', '--admin-url', url)
    assert.equal(status, 1)
    assert.match(err, /^sluice: http:\S+\/status is not found: this is not Kong's Admin API/)
    assert.match(err, /\n {2}SLUICE_ADMIN_WRONG: Give --admin-url the address of the Admin API/)
    await new Promise(resolve => proxy.close(resolve))
  })

  it('speaks TLS with an authority, a client certificate and headers of its own, or checks nothing', async () => {
    const { authority, otherAuthority, certificate, key } = makeCertificates(folder.path)
    const seen: (string | string[] | undefined)[] = []
    const options = {
      ca: readFileSync(authority),
      cert: readFileSync(certificate),
      key: readFileSync(key),
      requestCert: true,
      rejectUnauthorized: false,
    }
    const server = createSecureServer(options, (incoming, response) => {
      const { authorized } = incoming.socket as TLSSocket
      seen.push(incoming.headers['kong-admin-token'])
      if (!authorized) return void response.writeHead(401).end('{"message":"no certificate"}')
      const onward = request(admin.url + incoming.url, { headers: incoming.headers }, answer => {
        response.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(response)
      })
      onward.end()
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const url = `https://localhost:${(server.address() as AddressInfo).port}`
    const plan = (...args: string[]) =>
      sluice('plan', '-f', 'kong.yaml', '--admin-url', url, '--wait', '0', ...args)
    try {
      const own = ['--cert', certificate, '--key', key]
      const good = await plan('--ca-cert', authority, ...own, '--header', 'Kong-Admin-Token: t1')
      assert.equal(good.status, 2, good.err)
      assert.ok(seen.length > 0 && seen.every(token => token === 't1'))
      assert.equal((await plan('--tls-skip-verify', ...own)).status, 2)
      assert.match((await plan('--ca-cert', otherAuthority, ...own)).err, /no answer .* certificate/)
      assert.match((await plan('--ca-cert', authority)).err, /401 no certificate/)
      assert.match((await plan('--cert', certificate)).err, /--cert and --key must be given together/)
      assert.match((await plan('--ca-cert', 'none.pem')).err, /--ca-cert: cannot read none\.pem/)
    } finally {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    }
  }).timeout(60_000)

  it('plan and apply refuse a configuration that its plugin would refuse, though Kong would take it', async () => {
    const plugin: AnyPlugin = qos
    const strict = await startAdminServer({
      plugins: { qos: describePlugin(plugin).Schema as unknown as SchemaSpec },
    })
    try {
      const entry = `
plugins:
- name: qos
  config:
    tiers: { gold: { limits: [{ name: minute, requests: 5, per: 60 }] } }
    default_tier: nope
`
      writeFileSync(path.join(folder.path, 'kong.yaml'), `_format_version: "3.0"${entry}`)
      for (const command of ['plan', 'apply']) {
        const { status, err } = await sluice(command, '-f', 'kong.yaml', '--admin-url', strict.url)
        assert.equal(status, 1)
        assert.match(
          err,
          /^sluice: kong\.yaml:6:5: the plugin qos refuses it: config\.default_tier: there is no tier "nope"\n/,
        )
      }
      assert.deepEqual(strict.state.list('plugins'), [])
    } finally {
      await strict.close()
    }
  })
})
