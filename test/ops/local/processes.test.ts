import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { family, isAlive, killFamily } from '../../../ops/local/processes.ts'
import { makeFolder } from '../../support/folder.ts'

describe('a family of processes', () => {
  it('has the children of all threads but of one that has just ended', () => {
    const proc = makeFolder()
    const thread = (pid: number, tid: number, children?: string) => {
      const folder = path.join(proc.path, String(pid), 'task', String(tid))
      mkdirSync(folder, { recursive: true })
      if (children !== undefined) writeFileSync(path.join(folder, 'children'), children)
    }
    try {
      thread(10, 10, '20 30 ')
      thread(10, 11)
      thread(10, 12, '40 ')
      thread(20, 20, '50 ')
      assert.deepEqual(family(10, proc.path), [10, 20, 30, 40, 50])
      assert.deepEqual(family(99, proc.path), [99])
    } finally {
      proc.remove()
    }
  })

  it('is killed with its grandchildren', async () => {
    const shell = spawn('/bin/sh', ['-c', '(sleep 600 & echo $!; wait) & wait'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const [text] = (await once(shell.stdout, 'data')) as [Buffer]
    const grandchild = Number(text)
    assert.ok(isAlive(grandchild))
    assert.ok(family(shell.pid!).includes(grandchild))
    await killFamily(shell.pid!)
    assert.ok(!isAlive(grandchild))
  })
})
