import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createEventPipeline, type EventPipeline } from '../../events/pipeline.ts'
import { listSpools } from '../../events/spool/claim.ts'
import { readSpool } from '../../events/spool/inspect.ts'
import { systemClock } from '../../foundation/clock.ts'
import { createMetrics } from '../../foundation/metrics.ts'
import { makeFolder, type TestFolder } from '../support/folder.ts'
import { recordLogs } from '../support/logs.ts'

describe('a spool on a full disk', () => {
  let folder: TestFolder
  let disk: string | undefined
  let events: EventPipeline | undefined

  before(function () {
    folder = makeFolder()
    const mountPoint = path.join(folder.path, 'disk')
    mkdirSync(mountPoint)
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', mountPoint], { stdio: 'pipe' })
      disk = mountPoint
    } catch {
      this.skip() // only root may mount a small file system
    }
  })
  after(async () => {
    await events?.close({ drainMs: 0 })
    if (disk) execFileSync('umount', [disk])
    folder.remove()
  })

  it('answers log phases in time, keeps what it acknowledged, and writes the rest once there is room', async function () {
    this.timeout(30_000)
    const metrics = createMetrics()
    const logs = recordLogs()
    const spoolDir = path.join(disk!, 'spool')
    events = createEventPipeline(
      { node: 'test', spoolDir, spoolMaxBytes: 1_000_000_000, postgresUrl: undefined, amqpUrl: undefined },
      { clock: systemClock, log: logs.logger, metrics, random: Math.random },
    )
    await events.start()
    const filler = path.join(disk!, 'filler')
    writeFileSync(filler, Buffer.alloc(600_000))
    let longestMs = 0
    for (let n = 0; n < 60; n++) {
      const startMs = performance.now()
      const data = { n, filler: 'x'.repeat(10_000) }
      await events.publisher.publish({ type: 'test.happened.v1', subject: 'x', data })
      longestMs = Math.max(longestMs, performance.now() - startMs)
    }
    // Far below the deadline of a log phase, and far above the 100 ms that are promised, for a busy machine.
    assert.ok(longestMs < 1_000, `a log phase waited ${longestMs} ms`)
    const { ready, problems } = events.ready()
    assert.equal(ready, false)
    assert.match(problems[0]!, /the event spool can not be written: ENOSPC/)
    const late = Number(/sluice_events_late_total (\d+)/.exec(await metrics.text())?.[1])
    assert.ok(late > 0 && late < 60, `${late} of 60 were late`)

    rmSync(filler)
    for (let i = 0; i < 200 && !events.ready().ready; i++) await sleep(50)
    assert.deepEqual(events.ready(), { ready: true, problems: [] })
    await events.close()
    const [spool] = await listSpools(spoolDir)
    const numbers: unknown[] = []
    for await (const batch of readSpool(spool!.folder)) {
      assert.equal(batch.badRegions, 0)
      for (const { type, data } of batch.events) if (type === 'test.happened.v1') numbers.push(data.n)
    }
    assert.deepEqual(
      numbers,
      Array.from({ length: 60 }, (_, n) => n),
    )
    assert.match(logs.text(), /the spool cannot be written; trying again/)
    assert.doesNotMatch(await metrics.text(), /sluice_events_lost_total\{/)
  })
})
