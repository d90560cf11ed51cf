import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import { loadFolder } from '../../plugin-server/load.ts'
import { makeFolder } from '../support/folder.ts'

const ROOT = path.resolve(import.meta.dirname, '../../..')
const sluice = (args: readonly string[]) =>
  execFileSync(process.execPath, [path.join(ROOT, 'dist/cli/sluice.js'), ...args], {
    encoding: 'utf8',
    stdio: 'pipe',
  })

describe('sluice new', function () {
  this.timeout(60_000)
  const folder = makeFolder()
  after(folder.remove)

  it('makes a plugin whose test passes and which the server loads', async () => {
    const made = path.join(folder.path, 'greeter')
    assert.match(sluice(['new', 'greeter', '--folder', made]), /npm install && npm test/)
    // What `npm install` brings: the package that made the folder (it is on no registry), and from this checkout its types.
    const modules = path.join(made, 'node_modules')
    mkdirSync(modules)
    const { dependencies } = JSON.parse(readFileSync(path.join(made, 'package.json'), 'utf8'))
    assert.match(dependencies.sluice, /^file:/)
    const named = path.resolve(made, dependencies.sluice.slice('file:'.length))
    assert.equal(named, ROOT)
    symlinkSync(named, path.join(modules, 'sluice'))
    symlinkSync(path.join(ROOT, 'node_modules/@types'), path.join(modules, '@types'))
    const env = { ...process.env, PATH: `${path.join(ROOT, 'node_modules/.bin')}:${process.env.PATH}` }
    const report = execFileSync('npm', ['test'], { cwd: made, env, encoding: 'utf8', stdio: 'pipe' })
    assert.match(report, /pass 1\b/)
    assert.match(report, /fail 0\b/)
    const { plugins, broken } = await loadFolder(made)
    assert.deepEqual(broken, [])
    assert.deepEqual(
      plugins.map(({ plugin }) => plugin.name),
      ['greeter'],
    )
  })

  it('overwrites nothing, and refuses a name that Kong would refuse or that is taken', () => {
    assert.throws(() => sluice(['new', 'greeter', '--folder', folder.path]), /already exists/)
    assert.throws(() => sluice(['new', 'Not_A_Name']), /is not a valid plugin name/)
    assert.throws(() => sluice(['new', 'qos']), /Sluice has a plugin qos: choose another name/)
    assert.throws(() => sluice(['new', 'key-auth']), /Kong has a plugin key-auth/)
    for (const name of ['Not_A_Name', 'qos', 'key-auth']) assert.equal(existsSync(name), false)
  })
})
