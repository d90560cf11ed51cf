/**
 * Events per second that the spool makes durable, and how long a log phase waits for it, by the number of log phases
 * that run at once. `node dist/bench/spool.js`; about 30 s. The folder of the spool (SLUICE_BENCH_DIR, else the
 * temporary one) should be on the disk that is meant.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createEventPipeline } from '../events/pipeline.ts'
import { systemClock } from '../foundation/clock.ts'
import { createLogger } from '../foundation/log.ts'
import { createMetrics } from '../foundation/metrics.ts'
import { AUDIT_EVENTS } from '../plugins/key-auth-audit/events.ts'
import { auditDraft } from './audit-event.ts'

const LANES = [1, 16, 64, 256, 1024]
const ROUND_MS = 4_000

const folder = mkdtempSync(path.join(process.env.SLUICE_BENCH_DIR ?? tmpdir(), 'sluice-bench-'))

/** What the disk itself takes for an event's bytes, one after the other. */
function bareFsyncMs(): number {
  const file = openSync(path.join(folder, 'bare'), 'w')
  const bytes = Buffer.alloc(1_100)
  const times = Array.from({ length: 500 }, () => {
    const start = performance.now()
    writeSync(file, bytes)
    fdatasyncSync(file)
    return performance.now() - start
  })
  closeSync(file)
  return quantile(times, 0.5)
}

async function round(lanes: number): Promise<string[]> {
  const metrics = createMetrics()
  const spoolDir = path.join(folder, String(lanes))
  const events = createEventPipeline(
    { node: 'bench', spoolDir, spoolMaxBytes: 4e9, postgresUrl: undefined, amqpUrl: undefined },
    {
      clock: systemClock,
      log: createLogger('warn'),
      metrics,
      random: Math.random,
      types: AUDIT_EVENTS,
    },
  )
  await events.start()
  const waits: number[] = []
  const startMs = Date.now()
  let next = 0
  const until = performance.now() + ROUND_MS
  const cpuBefore = process.cpuUsage()
  const lane = async () => {
    while (performance.now() < until) {
      const start = performance.now()
      await events.publisher.publish(auditDraft(next++, startMs))
      waits.push(performance.now() - start)
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  const { user, system } = process.cpuUsage(cpuBefore)
  await events.close()
  const text = await metrics.text()
  const syncs = Number(/sluice_events_fsync_seconds_count (\d+)/.exec(text)?.[1] ?? 0)
  const late = Number(/sluice_events_late_total (\d+)/.exec(text)?.[1] ?? 0)
  rmSync(spoolDir, { recursive: true, force: true })
  return [
    String(lanes),
    Math.round(waits.length / (ROUND_MS / 1000)).toLocaleString('en'),
    ...[0.5, 0.99, 0.999].map(q => quantile(waits, q).toFixed(1)),
    (waits.length / syncs).toFixed(1),
    ((user + system) / waits.length).toFixed(1),
    String(late),
  ]
}

function quantile(values: number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0
}

try {
  const bareMs = bareFsyncMs()
  const rows: string[][] = []
  for (const lanes of LANES) rows.push(await round(lanes))
  const head = [
    'log phases at once',
    'events/s',
    'p50 ms',
    'p99 ms',
    'p99.9 ms',
    'events an fsync',
    'CPU µs an event',
    'late',
  ]
  const lines = [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`)
  process.stdout.write(
    `Spool: durable events a second and wait of a log phase (a bare write and fdatasync: ${bareMs.toFixed(2)} ms)\n\n${lines.join('\n')}\n`,
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}
