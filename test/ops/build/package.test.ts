import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { projectFolder } from '../../../ops/local/folders.ts'

const execute = promisify(execFile)

interface Manifest {
  readonly version: string
  readonly scripts: Readonly<Record<string, string>>
}

describe('the package', function () {
  this.timeout(300_000)
  const project = projectFolder()
  const manifest = JSON.parse(readFileSync(path.join(project, 'package.json'), 'utf8')) as Manifest
  let folder: string
  let files: readonly string[]
  const run = async (command: string, ...args: string[]) =>
    (await execute(command, args, { cwd: folder, env: { PATH: process.env.PATH, HOME: process.env.HOME } }))
      .stdout
  const runModule = (text: string) => run(process.execPath, '--input-type=module', '-e', text)

  before('packs it and installs it into an empty folder', async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'sluice-package-'))
    // Without `prepack`, which would compile under the tests that run.
    const pack = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder]
    const { stdout } = await execute('npm', pack, { cwd: project })
    const [packed] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }]
    files = packed.files.map(({ path }) => path)
    writeFileSync(path.join(folder, 'package.json'), '{"private": true}')
    const registry = (await execute('npm', ['config', 'get', 'registry'], { cwd: project })).stdout.trim()
    const options = ['--prefer-offline', '--no-audit', '--no-fund', '--registry', registry]
    await execute('npm', ['install', ...options, `./${packed.filename}`], { cwd: folder })
  })
  after(() => rmSync(folder, { recursive: true }))

  it('holds what is used, and nothing of the build, the tests and the development', () => {
    const folders = new Set(
      files.map(file =>
        file
          .split('/')
          .slice(0, file.startsWith('dist/') ? 2 : 1)
          .join('/'),
      ),
    )
    for (const name of ['dist/.tsbuildinfo', 'dist/test', 'dist/bench', 'dist/ops'])
      assert.ok(!folders.has(name), name)
    for (const name of ['dist/sdk', 'dist/testing', 'dist/cli', 'dist/kong-js', 'README.md', 'LICENSE'])
      assert.ok(folders.has(name), name)
    assert.deepEqual(
      files.filter(file => file.endsWith('.map') || (/\.ts$/.test(file) && !file.endsWith('.d.ts'))),
      [],
    )
  })

  it('is compiled before it is packed', () => {
    assert.equal(manifest.scripts.prepack, 'npm run build')
  })

  it('gives authors the SDK and the harness', async () => {
    const names = await runModule(
      `const sdk = await import('sluice'); const testing = await import('sluice/testing');
       console.log(typeof sdk.definePlugin, typeof sdk.Type.Object, typeof testing.startHarness)`,
    )
    assert.equal(names.trim(), 'function function function')
  })

  it("runs an author's test", async () => {
    await runModule(`
      import assert from 'node:assert/strict'
      import { definePlugin, Type } from 'sluice'
      import { startHarness } from 'sluice/testing'
      const plugin = definePlugin({
        name: 'greeter', version: '0.1.0', priority: 100, config: Type.Object({}),
        phases: { async access(kong) { kong.response.setHeader('x-greeting', 'hello') } },
      })
      const kong = await startHarness(plugin, { config: {} })
      assert.equal((await kong.request('/')).headers['x-greeting'], 'hello')
      await kong.close()`)
  })

  it('has the command', async () => {
    const sluice = path.join(folder, 'node_modules/.bin/sluice')
    assert.match(await run(sluice, '--help'), /Usage: sluice/)
    assert.match(JSON.stringify(JSON.parse(await run(sluice, 'dump'))), /"qos"/)
  })

  it("has a module a plugin for Kong's own JavaScript plugin server", async () => {
    const modules = readdirSync(path.join(folder, 'node_modules/sluice/dist/kong-js')).filter(name =>
      name.endsWith('.cjs'),
    )
    assert.ok(modules.length >= 3)
    for (const name of modules) {
      const load = `const { Plugin, Schema } = require('sluice/dist/kong-js/${name}'); console.log(typeof Plugin, Array.isArray(Schema))`
      const file = `./node_modules/sluice/dist/kong-js/${name}`
      assert.equal(
        (await run(process.execPath, '-e', load.replace(`sluice/dist/kong-js/${name}`, file))).trim(),
        'function true',
      )
    }
  })
})
