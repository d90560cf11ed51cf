import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { family, freeze, isAlive, killFamily, statOf, thaw } from '../../../ops/local/processes.ts'
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

  it('has stopped with all its threads when it is frozen', async () => {
    const threads = `
      const { Worker } = require('node:worker_threads')
      const busy = 'require("node:worker_threads").parentPort.postMessage(0); for (;;);'
      for (let i = 0; i < 4; i++) new Worker(busy, { eval: true }).once('message', () => console.log('busy'))`
    const program = spawn(process.execPath, ['-e', threads], { stdio: ['ignore', 'pipe', 'inherit'] })
    const pid = program.pid!
    try {
      for (let seen = ''; seen.split('busy').length < 5; )
        seen += String(((await once(program.stdout, 'data')) as [Buffer])[0])
      for (let round = 0; round < 20; round++) {
        await freeze(pid)
        const states = readdirSync(`/proc/${pid}/task`).map(tid => statOf(`${pid}/task/${tid}`)?.[0])
        assert.deepEqual([...new Set(states)], ['T'])
        thaw(pid)
      }
    } finally {
      await killFamily(pid)
    }
  })
})
