import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { refreshDumps } from '../../cli/wiring/dump-files.ts'
import { loadShippedPlugins } from '../../plugin-server/plugins.ts'

const run = promisify(execFile)
const PROGRAM = new URL('../../cli/sluice.js', import.meta.url).pathname
const SDK = new URL('../../sdk/sdk.js', import.meta.url).href

describe('what Kong is told', () => {
  let folder: string
  /** Kong clears the environment of the programs that it runs. */
  const sluice = (...args: string[]) => run(process.execPath, [PROGRAM, ...args], { env: {}, cwd: folder })

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'sluice-dump-'))
    mkdirSync(path.join(folder, 'plugins'))
    const noisy = `import { definePlugin, Type } from '${SDK}'
      console.log('loading'); process.stdout.write('more'); setTimeout(() => console.log('late'), 1)
      export const plugin = definePlugin({ name: 'noisy', version: '1.2.3', priority: 7, config: Type.Object({}), phases: { access() {} } })`
    writeFileSync(path.join(folder, 'plugins', 'noisy.mjs'), noisy)
    writeFileSync(path.join(folder, 'plugins', 'broken.mjs'), 'throw new Error("on purpose")')
  })
  after(() => rmSync(folder, { recursive: true }))

  it('is JSON and nothing else, whatever a plugin prints', async () => {
    const { stdout, stderr } = await sluice('dump', '--plugins', 'plugins', '--plugin', 'noisy')
    assert.deepEqual(JSON.parse(stdout), {
      Protocol: 'ProtoBuf:1',
      SocketPath: path.join(folder, '.sluice/run/sluice.sock'),
      Plugins: [
        {
          Name: 'noisy',
          Version: '1.2.3',
          Priority: 7,
          Phases: ['access'],
          Schema: { name: 'noisy', fields: [{ config: { type: 'record', required: true, fields: [] } }] },
        },
      ],
    })
    assert.match(stderr, /loading/)
    assert.match(stderr, /broken\.mjs: on purpose/)
  })

  it('names the plugins in the order in which Kong runs them', async () => {
    const { Plugins } = JSON.parse((await sluice('dump')).stdout) as {
      Plugins: { Name: string; Priority: number }[]
    }
    for (const name of ['qos', 'circuit-breaker', 'key-auth-audit'])
      assert.ok(Plugins.some(({ Name }) => Name === name))
    const priorities = Plugins.map(({ Priority }) => Priority)
    assert.deepEqual(
      priorities,
      [...priorities].sort((a, b) => b - a),
    )
  })

  it('stands in one file a plugin for a Kong that has no Node.js', async () => {
    await sluice('dump', '--protocol', 'MsgPack:1', '--out', 'dump')
    const files = readdirSync(path.join(folder, 'dump'))
    assert.ok(files.includes('qos.json'))
    for (const file of files) {
      const { Protocol, Plugins } = JSON.parse(readFileSync(path.join(folder, 'dump', file), 'utf8'))
      assert.equal(Protocol, 'MsgPack:1')
      assert.deepEqual(
        Plugins.map(({ Name }: { Name: string }) => `${Name}.json`),
        [file],
      )
    }
  })

  it('is refused for a plugin that is not there, with those that are', async () => {
    const failed = await sluice('dump', '--plugin', 'qoz').catch(
      error => error as { code: number; stderr: string; stdout: string },
    )
    assert.equal('code' in failed && failed.code, 1)
    assert.equal(failed.stdout, '')
    assert.match(failed.stderr, /"qoz", only .*qos.*\n.*SLUICE_PLUGIN_UNKNOWN/)
  })

  it('is named by whole paths, since Kong starts elsewhere', async () => {
    const { stdout } = await sluice('kong-conf', '--socket', 'run/s.sock', '--dump-dir', 'dump')
    const here = realpathSync(folder)
    assert.ok(stdout.includes(`\nKONG_PLUGINSERVER_QOS_SOCKET=${here}/run/s.sock\n`))
    assert.ok(stdout.includes(`\nKONG_PLUGINSERVER_QOS_QUERY_CMD='cat ${here}/dump/qos.json'\n`))
  })

  it('is named in a way that a shell understands, whatever its folder is called', async () => {
    const dumps = 'my $HOME "dumps"'
    await sluice('dump', '--out', dumps)
    const { stdout } = await sluice('kong-conf', '--socket', '/run/s.sock', '--dump-dir', dumps)
    const settings = stdout.trim().replace(/^/gm, 'export ')
    const shown = execFileSync('sh', ['-c', `${settings}\nsh -c "$KONG_PLUGINSERVER_QOS_QUERY_CMD"`], {
      encoding: 'utf8',
    })
    assert.equal(shown, readFileSync(path.join(folder, dumps, 'qos.json'), 'utf8'))
  })

  it('has a plugin server entry for each plugin, all with one socket', async () => {
    const { stdout } = await sluice('kong-conf', '--socket', '/run/s.sock', '--dump-dir', '/dump')
    const settings = new Map(
      stdout
        .trim()
        .split('\n')
        .map(line => /^(\w+)=(.*)$/.exec(line)!.slice(1) as [string, string]),
    )
    const names = settings.get('KONG_PLUGINSERVER_NAMES')!.split(',')
    assert.ok(names.includes('key_auth_audit'))
    for (const name of names) {
      assert.equal(settings.get(`KONG_PLUGINSERVER_${name.toUpperCase()}_SOCKET`), '/run/s.sock')
      assert.equal(
        settings.get(`KONG_PLUGINSERVER_${name.toUpperCase()}_QUERY_CMD`),
        `'cat /dump/${name.replaceAll('_', '-')}.json'`,
      )
    }
    assert.match(settings.get('KONG_PLUGINS')!, /^bundled,/)
  })

  it('is written beside the socket, and renewed by the plugin server that listens there', async () => {
    const socket = path.join(realpathSync(folder), 's.sock')
    const { stdout } = await sluice('kong-conf', '--format', 'conf', '--socket', socket)
    const file = `${socket}.dump/qos.json`
    assert.ok(stdout.includes(`\npluginserver_qos_query_cmd = cat ${file}\n`))
    const written = readFileSync(file, 'utf8')
    assert.equal(
      written,
      (await sluice('dump', '--plugin', 'qos')).stdout.replace(
        /"SocketPath":"[^"]*"/,
        `"SocketPath":"${socket}"`,
      ),
    )
    const shipped = await loadShippedPlugins()
    writeFileSync(file, 'of an earlier version')
    refreshDumps(socket, shipped)
    assert.equal(readFileSync(file, 'utf8'), written)
    refreshDumps(path.join(folder, 'other.sock'), shipped)
    assert.ok(!existsSync(path.join(folder, 'other.sock.dump')))
  })

  it('is asked for at each start of Kong where there is no folder for the socket, and says so', async () => {
    const { stdout, stderr } = await sluice('kong-conf', '--format', 'conf')
    assert.match(stderr, /no dumps beside the socket \(no folder .*--dump-dir DIR/)
    assert.match(stdout, /^pluginserver_qos_query_cmd = \S+ \S+ dump --plugin qos$/m)
  })
})
