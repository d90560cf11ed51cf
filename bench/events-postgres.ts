/**
 * Rows per second that the PostgreSQL sink stores exactly once, beside COPY into the same table and one insert an
 * event. `node dist/bench/events-postgres.js`; about a minute. Each contender gets the same rows, one connection and
 * an empty table with all its indexes; medians of the rounds.
 */
import pg from 'pg'
import { digestOf, genesis, link } from '../events/chain.ts'
import { migrate } from '../events/postgres/migrate.ts'
import { Partitions } from '../events/postgres/partitions.ts'
import { createPostgresSink } from '../events/postgres/sink.ts'
import type { SinkRecord } from '../events/sink.ts'
import { derivedId } from '../events/stamp.ts'
import { storedJson } from '../events/stored-json.ts'
import { systemClock } from '../foundation/clock.ts'
import { createLogger } from '../foundation/log.ts'
import { findService } from '../ops/local/find.ts'
import { auditDraft } from './audit-event.ts'
import { copyIn } from './copy-in.ts'

const ROWS = 50_000
const SINGLE_ROWS = 2_000
const BATCH = 500
const ROUNDS = 5
const WRITER = '00000000000000be'
const NOON_MS = Math.floor(Date.now() / 86_400_000) * 86_400_000 + 43_200_000

function makeRecords(): SinkRecord[] {
  let chain = genesis(WRITER)
  return Array.from({ length: ROWS }, (_, i) => {
    const draft = auditDraft(i, NOON_MS)
    const sequence = i + 1
    const event = {
      specversion: '1.0' as const,
      id: derivedId(draft.timeMs!, draft.type, draft.identity!),
      type: draft.type,
      source: '/sluice/bench',
      subject: draft.subject,
      time: new Date(draft.timeMs!).toISOString(),
      datacontenttype: 'application/json' as const,
      node: 'bench',
      writer: WRITER,
      sequence,
      data: draft.data,
    }
    chain = link(chain, digestOf(event))
    return {
      id: event.id,
      type: event.type,
      time: event.time,
      writer: WRITER,
      sequence,
      json: storedJson({ ...event, chain }),
    }
  })
}

/** COPY's text format: tab, newline and backslash escaped. */
function copyLine(record: SinkRecord): string {
  const event = JSON.parse(record.json)
  const fields = [
    event.time,
    event.id,
    event.type,
    event.subject,
    event.node,
    event.writer,
    event.sequence,
    `\\\\x${event.chain}`,
    JSON.stringify(event.data).replaceAll('\\', '\\\\'),
  ]
  return `${fields.join('\t')}\n`
}

const COLUMNS = 'gateway_events (time, id, type, subject, node, writer, sequence, chain, data)'

async function main(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await migrate(client)
  const records = makeRecords()
  await new Partitions().ensure(client, [records[0]!.time], NOON_MS)
  const lines = records.map(copyLine)
  const batches = <T>(all: readonly T[]) =>
    Array.from({ length: Math.ceil(all.length / BATCH) }, (_, i) => all.slice(i * BATCH, (i + 1) * BATCH))
  const sink = createPostgresSink({ url, clock: systemClock, log: createLogger('warn') })
  const never = new AbortController().signal

  const contenders: Readonly<Record<string, { rows: number; run: () => Promise<void> }>> = {
    'COPY, all rows at once': {
      rows: ROWS,
      run: () => copyIn(client, `copy ${COLUMNS} from stdin`, lines),
    },
    [`COPY, ${BATCH} rows a transaction`]: {
      rows: ROWS,
      async run() {
        for (const batch of batches(lines)) await copyIn(client, `copy ${COLUMNS} from stdin`, batch)
      },
    },
    [`the sink, ${BATCH} rows a statement, each row once`]: {
      rows: ROWS,
      async run() {
        for (const batch of batches(records)) await sink.store(batch, never)
      },
    },
    'the sink, one event a statement': {
      rows: SINGLE_ROWS,
      async run() {
        for (const record of records.slice(0, SINGLE_ROWS)) await sink.store([record], never)
      },
    },
  }
  const rates = new Map<string, number[]>()
  await sink.store(records.slice(0, 1), never)
  for (let i = 0; i < ROUNDS; i++)
    for (const [name, { rows, run }] of Object.entries(contenders)) {
      await client.query('truncate gateway_events; checkpoint')
      const start = performance.now()
      await run()
      const rate = rows / ((performance.now() - start) / 1000)
      const { rows: counted } = await client.query('select count(*)::int as n from gateway_events')
      if (counted[0].n !== rows) throw new Error(`${name}: ${counted[0].n} of ${rows} rows`)
      rates.set(name, [...(rates.get(name) ?? []), rate])
    }
  await sink.close()
  await client.end()
  const medians = [...rates].map(([name, all]) => [name, all.sort((a, b) => a - b)[ROUNDS >> 1]!] as const)
  const base = medians[0]![1]
  const table = medians.map(
    ([name, rate]) =>
      `| ${name} | ${Math.round(rate).toLocaleString('en')} | ${Math.round((100 * rate) / base)} % |`,
  )
  process.stdout.write(
    `PostgreSQL: rows a second into gateway_events with all its indexes, one connection, median of ${ROUNDS}\n\n| way | rows/s | of COPY |\n| --- | --- | --- |\n${table.join('\n')}\n`,
  )
}

const service = await findService('postgres', { variables: 'SLUICE_TEST_', alone: true })
try {
  await main(service.url)
} finally {
  await service.close()
}
