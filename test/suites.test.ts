import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { divide, isUnitTest, summary, total } from './support/suites.ts'

describe('the run of all tests', () => {
  const secondsOf = (file: string) => Number(file)

  it('runs each file once, in parts that take about as long', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 60 }).map(String)), files => {
        const parts = divide(files, 2, secondsOf)
        assert.deepEqual(parts.flat().sort(), [...files].sort())
        const [one = 0, other = 0] = parts.map(part => part.reduce((sum, file) => sum + secondsOf(file), 0))
        assert.ok(Math.abs(one - other) <= Math.max(0, ...files.map(secondsOf)))
      }),
    )
  })

  it('adds up what its processes counted', () => {
    const counts = { passes: 3, failures: 0, pending: 0 }
    assert.equal(summary(total([counts, counts])), '6 passed, 0 failed')
    assert.equal(
      summary(total([counts, { passes: 1, failures: 2, pending: 1 }])),
      '4 passed, 2 failed, 1 skipped',
    )
  })

  it('counts a process that ended without counts as a failure', () => {
    assert.equal(summary(total([{ passes: 3, failures: 0, pending: 0 }, undefined])), '3 passed, 1 failed')
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

  it('prints one closing line for all processes, and fails with any', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'sluice-suites-'))
    const write = (name: string, body: string) => {
      const file = path.join(folder, `${name}.test.mjs`)
      writeFileSync(file, `it(${JSON.stringify(name)}, () => { ${body} })`)
      return file
    }
    const run = async (...files: string[]) => {
      const { SLUICE_TEST_COUNTS: _, ...env } = process.env
      const args = [path.resolve(import.meta.dirname, 'run.js'), ...files]
      const done = await promisify(execFile)(process.execPath, args, { env }).catch(error => error)
      return { code: done.code ?? 0, closing: String(done.stdout).trim().split('\n').at(-1) }
    }
    try {
      const good = [write('good', ''), write('fine', '')]
      assert.deepEqual(await run(...good), { code: 0, closing: '2 passed, 0 failed' })
      const bad = [write('good', ''), write('wrong', 'throw new Error()')]
      assert.deepEqual(await run(...bad), { code: 1, closing: '1 passed, 1 failed' })
      const gone = [write('good', ''), write('gone', 'process.exit(0)')]
      assert.deepEqual(await run(...gone), { code: 1, closing: '1 passed, 1 failed' })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
