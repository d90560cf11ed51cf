/**
 * A process that publishes events without end, for tests that kill it: `node event-writer.js FIRST LANES`, settings
 * from the environment. Event n has the identity n. A line `n` on stdout says that n was acknowledged in time, `~n`
 * that the answer came before the event was on disk.
 */
import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { createEventPipeline } from '../../events/pipeline.ts'
import { systemClock } from '../../foundation/clock.ts'
import { createLogger } from '../../foundation/log.ts'
import { createMetrics } from '../../foundation/metrics.ts'

/** Of event 0; the others follow a second apart, so that each has a time of its own. */
export const FIRST_MS = Date.UTC(2026, 10, 20)
const LATE_MS = 90

async function main(first: number, lanes: number): Promise<void> {
  let going = true
  process.on('SIGTERM', () => {
    going = false
  })
  const events = createEventPipeline(
    {
      node: 'chaos',
      spoolDir: process.env.SLUICE_SPOOL_DIR!,
      spoolMaxBytes: 1_000_000_000,
      postgresUrl: process.env.SLUICE_POSTGRES_URL,
      amqpUrl: process.env.SLUICE_AMQP_URL,
    },
    {
      clock: systemClock,
      log: createLogger(process.env.SLUICE_LOG_LEVEL ?? 'silent', 2),
      metrics: createMetrics(),
      random: Math.random,
    },
  )
  await events.start()
  let next = first
  const lane = async () => {
    while (going) {
      const n = next++
      const startedMs = performance.now()
      await events.publisher.publish({
        type: 'chaos.happened.v1',
        subject: `n/${n}`,
        identity: String(n),
        timeMs: FIRST_MS + n * 1000,
        data: { n },
      })
      writeSync(1, performance.now() - startedMs < LATE_MS ? `${n}\n` : `~${n}\n`)
      await sleep(5)
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  await events.close({ drainMs: 60_000 })
}

const [first, lanes] = process.argv.slice(2).map(Number)
if (first !== undefined && lanes !== undefined) await main(first, lanes)
