/**
 * A process that publishes events to a spool on a disk of 1 MB that is nearly full, and makes room later:
 * `node full-disk.js FOLDER`. To be run in a mount namespace of its own. Prints what happened as JSON.
 */
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import path from 'node:path'
import { createEventPipeline } from '../../events/pipeline.ts'
import { listSpools } from '../../events/spool/claim.ts'
import { readSpool } from '../../events/spool/inspect.ts'
import { systemClock } from '../../foundation/clock.ts'
import { createMetrics, type Metrics } from '../../foundation/metrics.ts'
import { recordLogs } from './logs.ts'
import { until } from './until.ts'

export const PUBLISHED = 60

export interface FullDisk {
  /** Why nothing could be started while the disk had no room at all, and the spools that were left then. */
  readonly refused: { readonly code: unknown; readonly message: string; readonly left: readonly string[] }
  readonly problems: readonly string[]
  /** The metrics while the disk is full, and afterwards. */
  readonly full: string
  readonly after: string
  readonly log: string
  /** Numbers of the events in the spool, in their order. */
  readonly stored: readonly unknown[]
  readonly badRegions: number
}

async function main(disk: string): Promise<void> {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk])
  const spoolDir = path.join(disk, 'spool')
  const filler = path.join(disk, 'filler')
  const logs = recordLogs()
  const create = (metrics: Metrics) =>
    createEventPipeline(
      { node: 'test', spoolDir, spoolMaxBytes: 1_000_000_000, postgresUrl: undefined, amqpUrl: undefined },
      { clock: systemClock, log: logs.logger, metrics, random: Math.random },
    )
  fill(filler)
  const refused = await create(createMetrics())
    .start()
    .then(
      () => ({ code: undefined, message: 'it has started', left: [] }),
      ({ code, message }) => ({ code, message, left: readdirSync(spoolDir) }),
    )
  rmSync(filler)
  const metrics = createMetrics()
  const events = create(metrics)
  await events.start()
  writeFileSync(filler, Buffer.alloc(600_000))
  for (let n = 0; n < PUBLISHED; n++) {
    const data = { n, filler: 'x'.repeat(10_000) }
    await events.publisher.publish({ type: 'test.happened.v1', subject: 'x', data })
  }
  const problems = events.problems()
  const full = await metrics.text()
  rmSync(filler)
  await until('the spool is written again', () => events.problems().length === 0)
  await events.close()
  const stored: unknown[] = []
  let badRegions = 0
  for (const { folder } of await listSpools(spoolDir))
    for await (const batch of readSpool(folder)) {
      badRegions += batch.badRegions
      for (const { type, data } of batch.events) if (type === 'test.happened.v1') stored.push(data.n)
    }
  const found: FullDisk = {
    refused,
    problems,
    full,
    after: await metrics.text(),
    log: logs.text(),
    stored,
    badRegions,
  }
  process.stdout.write(JSON.stringify(found))
}

/** Until the disk takes no byte more. */
function fill(file: string): void {
  const opened = openSync(file, 'w')
  try {
    for (;;) writeSync(opened, Buffer.alloc(65_536))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  } finally {
    closeSync(opened)
  }
}

const [disk] = process.argv.slice(2)
if (disk !== undefined && process.argv[1]?.endsWith('full-disk.js')) await main(disk)
