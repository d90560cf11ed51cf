import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { guardChild } from '../../../ops/local/child-guard.ts'
import { family, freeze, isAlive, killFamily, statOf, thaw } from '../../../ops/local/processes.ts'
import { makeFolder } from '../../support/folder.ts'
import { until } from '../../support/until.ts'

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

  it('is gone when its guard is closed, though the service that started it has died before', async () => {
    const folder = makeFolder()
    const child = path.join(folder.path, 'child')
    // As RabbitMQ starts its epmd, and ends at a fault of its configuration.
    const args = ['-c', `sleep 1000 & echo $! > ${child}.new; mv ${child}.new ${child}`]
    const guard = guardChild(
      { command: 'sh', args, env: { PATH: process.env.PATH! }, endSignal: 'TERM', asCurrentUser: true },
      folder.path,
      { keepFolder: true },
    )
    try {
      await guard.start()
      await until(() => existsSync(child) && !guard.isRunning())
      const pid = Number(readFileSync(child, 'utf8'))
      assert.ok(isAlive(pid))
      await guard.close()
      await until(() => !isAlive(pid))
    } finally {
      await guard.close()
      folder.remove()
    }
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
