import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { verifyChains } from '../../events/postgres/chains.ts'
import { QUEUE } from '../../events/rabbitmq/topology.ts'
import { describeProblem } from '../../events/verify.ts'
import { makeFolder, type TestFolder } from '../support/folder.ts'
import { drainQueue } from '../support/queue.ts'
import { borrowedPostgres, borrowedRabbit, type Service, START_MS } from '../support/services.ts'
import { until } from '../support/until.ts'

const WRITER = fileURLToPath(new URL('../support/event-writer.js', import.meta.url))
const LANES = 8
/** How many events of before a new process publishes again, as Kong delivers a log event again. */
const AGAIN = 50

describe('the event pipeline under kill -9', () => {
  let folder: TestFolder
  let postgres: Service
  let rabbit: Service
  let child: ChildProcess | undefined
  const acknowledged = new Set<number>()
  const late = new Set<number>()
  let highest = 0

  before(async function () {
    this.timeout(START_MS)
    folder = makeFolder()
    ;[postgres, rabbit] = await Promise.all([borrowedPostgres(), borrowedRabbit()])
  })
  after(async function () {
    this.timeout(START_MS)
    child?.kill('SIGKILL')
    folder?.remove()
  })

  function startWriter(): void {
    const args = [WRITER, String(Math.max(0, highest - AGAIN)), String(LANES)]
    const env = {
      SLUICE_SPOOL_DIR: folder.path,
      SLUICE_POSTGRES_URL: postgres.url,
      SLUICE_AMQP_URL: rabbit.url,
    }
    child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
    createInterface({ input: child.stdout! }).on('line', line => {
      const n = Number(line.replace('~', ''))
      if (line.startsWith('~')) late.add(n)
      else acknowledged.add(n)
      highest = Math.max(highest, n)
    })
  }

  async function killWriter(): Promise<void> {
    const ended = once(child!, 'close')
    child!.kill('SIGKILL')
    await ended
  }

  /** Waits until so many more events were acknowledged: in time, or late while a sink or the disk is away. */
  async function publishes(more: number): Promise<void> {
    const before = acknowledged.size + late.size
    await until(`${more} more events`, () => acknowledged.size + late.size >= before + more)
  }

  it('stores every acknowledged event once, and queues it at least once', async function () {
    this.timeout(240_000)
    const kills = { writer: 0, postgres: 0, rabbit: 0, frozen: 0 }
    const crashWriter = async () => {
      await killWriter()
      kills.writer++
      startWriter()
    }
    startWriter()
    for (let round = 0; round < 2; round++) {
      await publishes(500)
      await crashWriter()
      await publishes(300)
      await postgres.kill()
      kills.postgres++
      await publishes(200)
      await crashWriter()
      await postgres.restart()
      await publishes(300)
      await crashWriter()
      await rabbit.restart() // killed, and started again
      kills.rabbit++
      await rabbit.pause()
      kills.frozen++
      await publishes(300)
      await crashWriter()
      await rabbit.resume()
    }
    await publishes(50) // it runs, and hears the signal
    const ended = once(child!, 'close')
    child!.kill('SIGTERM')
    assert.deepEqual(await ended, [0, null], 'the last writer drains and ends by itself')

    const client = new pg.Client({ connectionString: postgres.url })
    await client.connect()
    const { rows } = await client.query<{ n: number }>(
      "select (data ->> 'n')::int as n from gateway_events where type = 'chaos.happened.v1'",
    )
    const { rows: repeats } = await client.query('select count(*)::int as count from gateway_event_repeats')
    const stored = new Set(rows.map(row => row.n))
    const problems: string[] = []
    for await (const report of verifyChains(client)) problems.push(...report.problems.map(describeProblem))
    await client.end()
    const queued = await countQueued(rabbit.url)

    const lostInPostgres = [...acknowledged].filter(n => !stored.has(n))
    const lostOnQueue = [...acknowledged].filter(n => !queued.has(n))
    const copies = [...queued.values()].reduce((sum, count) => sum + count, 0)
    console.log(
      `      kill -9: writer ${kills.writer}, PostgreSQL ${kills.postgres}, RabbitMQ ${kills.rabbit} (frozen ${kills.frozen})
      acknowledged ${acknowledged.size}, answered late ${late.size}
      in PostgreSQL ${rows.length} rows of ${stored.size} events (written twice, kept once: ${repeats[0].count})
      on the queue ${copies} messages of ${queued.size} events`,
    )
    assert.deepEqual(lostInPostgres, [])
    assert.deepEqual(lostOnQueue, [])
    assert.equal(rows.length, stored.size, 'no event has two rows')
    assert.deepEqual(problems, [], 'every chain is whole')
  })
})

/** How often each event is on the queue. */
async function countQueued(url: string): Promise<Map<number, number>> {
  const found = new Map<number, number>()
  for (const message of await drainQueue(url, QUEUE)) {
    const { data } = JSON.parse(message.content.toString())
    if (typeof data.n === 'number') found.set(data.n, (found.get(data.n) ?? 0) + 1)
  }
  return found
}
