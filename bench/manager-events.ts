/**
 * How long an event takes from the log phase that publishes it to a client of the manager's stream, and how long it is
 * until a client that comes back has 5,000 missed ones. `node dist/bench/manager-events.js`; about a minute. Real
 * PostgreSQL and RabbitMQ; publisher, manager and client share this process, so that the figures are upper bounds.
 */
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { createEventPipeline, type EventPipeline } from '../events/pipeline.ts'
import { systemClock } from '../foundation/clock.ts'
import { createLogger } from '../foundation/log.ts'
import { createMetrics } from '../foundation/metrics.ts'
import { readSettings, type Settings } from '../foundation/settings.ts'
import { openDatabase, startManager } from '../management/manager.ts'
import { Operators } from '../management/operators/operators.ts'
import { newKeyLine } from '../management/sealer.ts'
import { findService } from '../ops/local/find.ts'
import { EventClient } from '../test/support/event-client.ts'
import { makeFolder } from '../test/support/folder.ts'
import { auditDraft } from './audit-event.ts'
import { printTable } from './report.ts'

const EVENTS = 2_000
const EVERY_MS = 10
const MISSED = 5_000
const log = createLogger('silent')

const percentile = (sorted: readonly number[], share: number): string =>
  `${(sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN).toFixed(0)} ms`

async function measure(amqpUrl: string | undefined, postgresUrl: string): Promise<readonly string[]> {
  const folder = makeFolder()
  const settings = readSettings({
    SLUICE_MANAGER_LISTEN: '127.0.0.1:0',
    SLUICE_MANAGER_KEY: newKeyLine(Date.now()),
    SLUICE_MANAGER_SPOOL_DIR: path.join(folder.path, 'manager-spool'),
    SLUICE_ADMIN_URL: 'http://127.0.0.1:9',
    SLUICE_POSTGRES_URL: postgresUrl,
    SLUICE_AMQP_URL: amqpUrl,
  })
  const manager = await startManager(settings, { log })
  const token = await makeToken(settings)
  const pipeline: EventPipeline = createEventPipeline(
    { node: 'bench', spoolDir: path.join(folder.path, 'spool'), spoolMaxBytes: 1e9, postgresUrl, amqpUrl },
    { clock: systemClock, log, metrics: createMetrics(), random: Math.random },
  )
  await pipeline.start()
  const connect = (headers: Readonly<Record<string, string>> = {}) =>
    new EventClient(manager.url, '/v1/events?type=key-auth.*', {
      authorization: `Bearer ${token}`,
      ...headers,
    }).open()
  const publish = (n: number) => {
    const { identity: _i, ...draft } = auditDraft(n, Date.now())
    return pipeline.publisher.publish({ ...draft, timeMs: Date.now(), data: { ...draft.data, n } })
  }
  const client = await connect()
  const complete = async (wanted: number, of: EventClient) => {
    while (of.events.length < wanted) await pause(5)
  }
  // The connections and the tables are made.
  for (let n = 0; n < 20; n++) await publish(n)
  await complete(20, client)
  const sentMs = new Map<number, number>()
  for (let n = 100; n < 100 + EVENTS; n++) {
    sentMs.set(n, Date.now())
    void publish(n)
    await pause(EVERY_MS)
  }
  await complete(20 + EVENTS, client)
  const delays = client.events
    .flatMap(({ data }, i) => {
      const sent = sentMs.get(Number(data.n))
      return sent === undefined ? [] : [(client.timesMs[i] ?? 0) - sent]
    })
    .toSorted((a, b) => a - b)
  const last = client.ids.at(-1) ?? ''
  await client.close()
  for (let n = 0; n < MISSED; n++) await publish(100_000 + n)
  const beginMs = performance.now()
  const again = await connect({ 'last-event-id': last })
  await complete(MISSED, again)
  const backMs = performance.now() - beginMs
  await again.close()
  await pipeline.close()
  await manager.close()
  folder.remove()
  return [
    amqpUrl === undefined ? 'PostgreSQL alone' : 'RabbitMQ and PostgreSQL',
    percentile(delays, 0.5),
    percentile(delays, 0.95),
    percentile(delays, 0.99),
    percentile(delays, 1),
    `${backMs.toFixed(0)} ms`,
  ]
}

async function makeToken(settings: Settings): Promise<string> {
  const database = openDatabase(settings, log)
  const operators = new Operators(database, systemClock)
  await operators.add('bench', 'viewer')
  const token = await operators.addToken('bench', 'bench', null)
  await database.close()
  return token
}

const rows: (readonly string[])[] = []
for (const hasBroker of [true, false]) {
  const postgres = await findService('postgres', { variables: 'SLUICE_TEST_', alone: true })
  const rabbit = await findService('rabbit', { variables: 'SLUICE_TEST_', alone: true })
  rows.push(await measure(hasBroker ? rabbit.url : undefined, postgres.url))
  await Promise.all([postgres.close(), rabbit.close()])
}
printTable(['way', 'p50', 'p95', 'p99', 'longest', `${MISSED} missed events`], rows)
