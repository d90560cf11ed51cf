/**
 * Catching up after an outage: so many events (a million where not given) wait in a spool whose process is gone; how
 * fast does the next process bring them to PostgreSQL, and what memory does it take meanwhile?
 * `node dist/bench/events-catchup.js [events]`; some minutes and 5 GB of disk for a million.
 */
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { EventMetrics } from '../events/metrics.ts'
import { createEventPipeline } from '../events/pipeline.ts'
import { claimSpool } from '../events/spool/claim.ts'
import { Spool } from '../events/spool/spool.ts'
import { EventRegistry } from '../events/types/registry.ts'
import { EventWriter } from '../events/writer.ts'
import { systemClock } from '../foundation/clock.ts'
import { createLogger } from '../foundation/log.ts'
import { createMetrics } from '../foundation/metrics.ts'
import { systemTimers } from '../foundation/timers.ts'
import { findService } from '../ops/local/find.ts'
import { AUDIT_EVENTS } from '../plugins/key-auth-audit/events.ts'
import { auditDraft } from './audit-event.ts'

const AT_ONCE = 2_000
const SAMPLE_MS = 200

const quiet = () => createLogger('warn')

/** As a process writes them that has no sink; waits for the disk, however slow it is. */
async function fill(spoolDir: string, count: number): Promise<number> {
  const id = randomBytes(8).toString('hex')
  const claim = await claimSpool(spoolDir, id)
  const spool = await Spool.create({ folder: claim.folder, clock: systemClock, lateMs: 600_000 })
  const writer = new EventWriter(spool, {
    node: 'bench',
    writer: id,
    registry: new EventRegistry(AUDIT_EVENTS),
    clock: systemClock,
    timers: systemTimers,
    log: quiet(),
    metrics: new EventMetrics(createMetrics()),
    maxBytes: 1e11,
    otherBytes: () => 0,
  })
  const start = performance.now()
  const startMs = Date.now()
  for (let n = 0; n < count; n += AT_ONCE)
    await Promise.all(
      Array.from({ length: Math.min(AT_ONCE, count - n) }, (_, i) =>
        writer.publish(auditDraft(n + i, startMs)),
      ),
    )
  await spool.close()
  await claim.release()
  return (performance.now() - start) / 1000
}

/** In a process of its own, so that only it is measured. */
async function catchUp(spoolDir: string, postgresUrl: string): Promise<void> {
  const settings = { node: 'bench', spoolDir, spoolMaxBytes: 1e11, postgresUrl, amqpUrl: undefined }
  const events = createEventPipeline(settings, {
    clock: systemClock,
    log: quiet(),
    metrics: createMetrics(),
    random: Math.random,
  })
  const start = performance.now()
  await events.start()
  const memory: number[] = []
  const cpuBefore = process.cpuUsage()
  while (readdirSync(spoolDir).filter(name => !name.endsWith('.lock')).length > 1 || memory.length < 3) {
    memory.push(process.memoryUsage.rss())
    await sleep(SAMPLE_MS)
  }
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpuBefore)
  await events.close()
  process.send!({ seconds, memory, cpuMicros: user + system })
}

interface Measured {
  readonly seconds: number
  readonly memory: number[]
  readonly cpuMicros: number
}

async function main(count: number): Promise<void> {
  const folder = mkdtempSync(path.join(process.env.SLUICE_BENCH_DIR ?? tmpdir(), 'sluice-bench-'))
  const service = await findService('postgres', { variables: 'SLUICE_TEST_', alone: true })
  try {
    const spoolDir = path.join(folder, 'spool')
    const fillSeconds = await fill(spoolDir, count)
    const child = fork(fileURLToPath(import.meta.url), ['catch-up', spoolDir, service.url])
    const { seconds, memory, cpuMicros } = await new Promise<Measured>((resolve, reject) => {
      child.on('message', message => resolve(message as Measured))
      child.on('exit', code => code !== 0 && reject(new Error(`ended with ${code}`)))
    })
    const client = new pg.Client({ connectionString: service.url })
    await client.connect()
    const { rows } = await client.query(
      "select count(*)::int as n, count(distinct id)::int as ids from gateway_events where type = 'key-auth.granted.v1'",
    )
    await client.end()
    const tenth = Math.max(1, Math.floor(memory.length / 10))
    const mib = (bytes: number[]) => (Math.max(...bytes) / 1024 / 1024).toFixed(0)
    process.stdout.write(
      `Catching up after an outage, to PostgreSQL

| what | value |
| --- | --- |
| events that waited | ${count.toLocaleString('en')} (written in ${fillSeconds.toFixed(0)} s) |
| rows afterwards, distinct | ${rows[0].n.toLocaleString('en')}, ${rows[0].ids.toLocaleString('en')} |
| events a second | ${Math.round(count / seconds).toLocaleString('en')} |
| CPU µs an event, this process | ${(cpuMicros / count).toFixed(1)} |
| RSS MiB: first tenth, middle, last tenth, highest | ${mib(memory.slice(0, tenth))}, ${mib(memory.slice(memory.length >> 1, (memory.length >> 1) + tenth))}, ${mib(memory.slice(-tenth))}, ${mib(memory)} |
`,
    )
  } finally {
    await service.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

const [mode, spoolDir, postgresUrl] = process.argv.slice(2)
if (mode === 'catch-up') await catchUp(spoolDir!, postgresUrl!)
else await main(Number(mode ?? 1_000_000))
