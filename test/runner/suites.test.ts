import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { GROUPS } from './groups.ts'
import { failureLines, inGroups, isUnitTest, summary } from './suites.ts'

const TESTS = path.dirname(import.meta.dirname)

describe('the run of all tests', () => {
  it('begins with the groups that take longest', () => {
    const files = ['/x/test/a.test.js', '/x/test/c/b.test.js', '/x/test/b.test.js', '/x/test/d.test.js']
    assert.deepEqual(inGroups(files, [['b', 'd'], ['c/d']]), [
      ['/x/test/b.test.js', '/x/test/d.test.js'],
      ['/x/test/a.test.js'],
      ['/x/test/c/b.test.js'],
    ])
  })

  it('names only files that are there in its groups', () => {
    for (const name of GROUPS.flat()) assert.ok(existsSync(path.join(TESTS, `${name}.test.js`)), name)
  })

  it('adds up what came of its files, and names what failed', () => {
    const good = { passes: 3, pending: 0, failures: [] }
    assert.equal(summary({ 'a.js': good, 'b.js': good }), '6 passed, 0 failed')
    const bad = { passes: 1, pending: 1, failures: [{ title: 'x does y', message: '1 !== 2\n\n- 1' }] }
    assert.equal(summary({ 'a.js': good, 'b.js': bad }), '4 passed, 1 failed, 1 skipped')
    assert.deepEqual(failureLines({ 'a.js': good, 'b.js': bad }), ['b.js: x does y: 1 !== 2'])
  })

  it('tells the tests that start other programs from those that do not', () => {
    const root = mkdtempSync(path.join(tmpdir(), 'sluice-suites-'))
    const write = (file: string, text: string) => {
      mkdirSync(path.join(root, path.dirname(file)), { recursive: true })
      writeFileSync(path.join(root, file), text)
      return path.join(root, file)
    }
    try {
      write('ops/spawns.js', "import { spawn } from 'node:child_process'")
      write('test/support/service.js', "import { spawn } from '../../ops/spawns.js'")
      write('kong/gateway.js', "import { spawn } from 'node:child_process'")
      const pure = write('test/pure.test.js', "import assert from 'node:assert'\nimport '../kong/gateway.js'")
      const service = write('test/service.test.js', "import { it } from './support/service.js'")
      assert.deepEqual(
        [pure, service].map(file => isUnitTest(file, root)),
        [true, false],
      )
    } finally {
      rmSync(root, { recursive: true })
    }
  })

  describe('in processes of its own', () => {
    let folder: string
    beforeEach(() => {
      folder = mkdtempSync(path.join(tmpdir(), 'sluice-suites-'))
    })
    afterEach(() => rmSync(folder, { recursive: true }))

    const write = (name: string, body: string) => {
      const file = path.join(folder, `${name}.test.mjs`)
      writeFileSync(file, `import fs from 'node:fs'\nit(${JSON.stringify(name)}, () => { ${body} })`)
      return file
    }
    /** @param ci what the variable CI holds */
    const run = async (ci: string, ...files: string[]) => {
      const args = [path.join(TESTS, 'run.js'), ...files]
      const options = { env: { ...process.env, CI: ci } }
      const done = await promisify(execFile)(process.execPath, args, options).catch(error => error)
      const lines = String(done.stdout).trim().split('\n')
      return {
        code: done.code ?? 0,
        failed: lines.filter(line => line.startsWith('failed')),
        closing: lines.at(-1),
      }
    }

    it('prints one closing line for all, behind what failed, and fails with any', async () => {
      const good = [write('good', ''), write('fine', '')]
      assert.deepEqual(await run('', ...good), { code: 0, failed: [], closing: '2 passed, 0 failed' })
      const bad = await run('', write('good', ''), write('wrong', 'throw new Error("no")'))
      assert.deepEqual([bad.code, bad.closing], [1, '1 passed, 1 failed'])
      assert.match(bad.failed.join(), /^failed: \S*wrong\.test\.mjs: wrong: no$/)
      const gone = await run('', write('good', ''), write('gone', 'process.exit(0)'))
      assert.deepEqual([gone.code, gone.closing], [1, '1 passed, 1 failed'])
    })

    it('counts what is thrown behind the last test, and a test that keeps others from running', async () => {
      const late = await run('', write('late', 'setTimeout(() => { throw new Error("late") }, 100)'))
      assert.deepEqual([late.code, late.closing], [1, '1 passed, 1 failed'])
      const only = await run('', write('only', '}); it.only("one", () => {'))
      assert.equal(only.code, 1)
      assert.match(only.failed.join(), /only/)
    })

    it('runs a file that failed once more in CI, says so, and fails if it fails again', async () => {
      const mark = JSON.stringify(path.join(folder, 'mark'))
      const body = `if (!fs.existsSync(${mark})) { fs.writeFileSync(${mark}, ''); throw new Error('busy') }`
      const once = await run('true', write('good', ''), write('once', body))
      assert.deepEqual([once.code, once.closing, once.failed.length], [0, '2 passed, 0 failed', 1])
      const bad = await run('true', write('good', ''), write('wrong', 'throw new Error()'))
      assert.deepEqual([bad.code, bad.closing, bad.failed.length], [1, '1 passed, 1 failed', 2])
    })
  })
})
