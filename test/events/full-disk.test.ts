import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { makeFolder, type TestFolder } from '../support/folder.ts'
import { type FullDisk, PUBLISHED } from '../support/full-disk.ts'

const SCENARIO = path.resolve(import.meta.dirname, '../support/full-disk.js')

const run = promisify(execFile)
const OUTPUT = { maxBuffer: 64 * 1024 * 1024 }

/** Runs a program in a mount namespace of its own, where it may mount a small file system without being root. */
async function runApart(command: readonly string[]): Promise<string> {
  try {
    return (await run('unshare', ['--user', '--map-root-user', '--mount', ...command], OUTPUT)).stdout
  } catch (error) {
    // Where the system forbids that to users (Ubuntu 24.04 does), the user may still become root.
    if (!/unshare: /.test(String(error))) throw error
    return (await run('sudo', ['--non-interactive', 'unshare', '--mount', ...command], OUTPUT)).stdout
  }
}

describe('a spool on a full disk', function () {
  this.timeout(120_000)
  let folder: TestFolder
  let found: FullDisk

  before(async () => {
    folder = makeFolder()
    found = JSON.parse(await runApart([process.execPath, SCENARIO, folder.path])) as FullDisk
  })
  after(() => folder.remove())

  it('is not held by a process that could not make it', () => {
    assert.equal(found.refused.code, 'SLUICE_SPOOL_FAILED', found.refused.message)
    assert.match(found.refused.message, /^cannot make a spool in .*ENOSPC/)
    assert.deepEqual(found.refused.left, [])
  })

  it('answers every log phase, also those that the disk does not take', () => {
    const late = Number(/^sluice_events_late_total (\d+)$/m.exec(found.full)?.[1])
    assert.ok(late > 0 && late < PUBLISHED, `${late} of ${PUBLISHED} were late`)
  })

  it('says what is wrong', () => {
    assert.match(found.problems.join(), /^the event spool cannot be written: ENOSPC/)
    assert.match(found.log, /cannot write the event spool; retrying/)
  })

  it('writes everything once there is room, in its order, and loses nothing', () => {
    assert.deepEqual(
      found.stored,
      Array.from({ length: PUBLISHED }, (_, n) => n),
    )
    assert.equal(found.badRegions, 0)
    assert.doesNotMatch(found.after, /^sluice_events_lost_total\{.*\} [1-9]/m)
  })
})
