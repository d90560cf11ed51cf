import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import pg from 'pg'
import { migrate } from '../../events/postgres/migrate.ts'
import { createPostgresSink } from '../../events/postgres/sink.ts'
import type { Sink } from '../../events/sink.ts'
import { createLogger } from '../../foundation/log.ts'
import { makeCertificates } from '../support/certificates.ts'
import { makeFolder, type TestFolder } from '../support/folder.ts'
import { type Service, START_MS, sharedPostgres, usePostgres } from '../support/services.ts'
import { createTestClock } from '../support/test-clock.ts'
import { makeEvents, makeRecords, NOON_MS, recordOf } from './records.ts'

const log = createLogger('silent')
const forEver = new AbortController().signal

describe('the PostgreSQL sink', () => {
  let url: string
  let client: pg.Client
  let sink: Sink

  beforeEach(async function () {
    this.timeout(START_MS)
    url = await (await sharedPostgres()).createDatabase()
    client = new pg.Client({ connectionString: url })
    await client.connect()
    sink = createPostgresSink({ url, clock: createTestClock(NOON_MS), log })
  })
  afterEach(async () => {
    await sink.close()
    await client.end()
  })

  const value = async (sql: string) => Object.values((await client.query(sql)).rows[0] as object)[0]

  it('stores every field of an event', async () => {
    const [event] = makeEvents(1, { data: () => ({ text: 'grüße', deep: { n: 1.5, list: [null, true] } }) })
    await sink.store([recordOf(event!)], forEver)
    const { rows } = await client.query("select *, encode(chain, 'hex') as chain_hex from gateway_events")
    assert.equal(rows.length, 1)
    const [row] = rows
    assert.equal(row.time.toISOString(), event!.time)
    for (const field of ['id', 'type', 'subject', 'node', 'writer'] as const)
      assert.equal(row[field], event![field])
    assert.equal(row.sequence, '1')
    assert.equal(row.chain_hex, event!.chain)
    assert.deepEqual(row.data, event!.data)
  })

  it('stores a batch that comes again once', async () => {
    const records = makeRecords(100)
    await sink.store(records, forEver)
    await sink.store(records.slice(50), forEver)
    assert.equal(await value('select count(*)::int from gateway_events'), 100)
    assert.equal(await value('select count(*)::int from gateway_event_repeats'), 0)
  })

  it('stores an event that two processes wrote once, and keeps the second place of it for the chain', async () => {
    const [first] = makeEvents(1)
    const copy = { ...first!, writer: '00000000000000bb', sequence: 7 }
    await sink.store([recordOf(first!), recordOf(copy)], forEver)
    await sink.store([recordOf(copy)], forEver)
    assert.equal(await value('select count(*)::int from gateway_events'), 1)
    const { rows } = await client.query('select writer, sequence::int, id from gateway_event_repeats')
    assert.deepEqual(rows, [{ writer: '00000000000000bb', sequence: 7, id: first!.id }])
  })

  it('makes the partitions of the coming days, and of the days that a backlog holds', async () => {
    await sink.store(makeRecords(2, { startMs: NOON_MS - 40 * 86_400_000 }), forEver)
    const { rows } = await client.query(
      "select relname from pg_class where relname ~ '^gateway_events_2' and relkind = 'r' order by 1",
    )
    assert.deepEqual(
      rows.map(row => row.relname),
      ['20261011', '20261120', '20261121', '20261122'].map(day => `gateway_events_${day}`),
    )
  })

  it('puts apart the records that PostgreSQL refuses, and stores the others of their batch', async () => {
    const records = makeRecords(50)
    const bad = (i: number, json: string) => {
      records[i] = { ...records[i]!, json }
    }
    bad(7, records[7]!.json.replace('thing/8', 'thing\\u0000'))
    bad(8, records[8]!.json.replace(/"id":"[^"]*"/, '"id":"no uuid"'))
    bad(30, 'this is no JSON')
    const receipt = await sink.store(records, forEver)
    assert.deepEqual(receipt, { refused: 3 })
    assert.equal(await value('select count(*)::int from gateway_events'), 47)
    const { rows } = await client.query(
      "select sequence::int, sqlstate, convert_from(payload, 'UTF8') as payload from gateway_events_rejected order by 1",
    )
    assert.deepEqual(
      rows.map(row => [row.sequence, row.sqlstate]),
      [
        [8, '22P05'],
        [9, '22P02'],
        [31, '22P02'],
      ],
    )
    assert.equal(rows[2].payload, 'this is no JSON')
    await sink.store(records, forEver)
    assert.equal(await value('select count(*)::int from gateway_events_rejected'), 3)
  })

  it('drops partitions behind the retention, and keeps where the chains stood', async () => {
    const clock = createTestClock(NOON_MS)
    const short = createPostgresSink({ url, clock, log, retentionDays: 10 })
    const old = makeEvents(5)
    await short.store(old.map(recordOf), forEver)
    clock.advance(11 * 86_400_000)
    await short.store(makeRecords(1, { writer: '00000000000000cc', startMs: clock.now() }), forEver)
    await short.close()
    assert.equal(await value('select count(*)::int from gateway_events'), 1)
    const { rows } = await client.query(
      "select writer, sequence::int, encode(chain, 'hex') as chain from gateway_event_checkpoints",
    )
    assert.deepEqual(rows, [{ writer: old[0]!.writer, sequence: 5, chain: old[4]!.chain }])
  })

  it('makes a partition again that someone has dropped', async () => {
    const records = makeRecords(2)
    await sink.store(records.slice(0, 1), forEver)
    await client.query('drop table gateway_events_20261120')
    await assert.rejects(sink.store(records, forEver), /no partition/)
    await sink.store(records, forEver)
    assert.equal(await value('select count(*)::int from gateway_events'), 2)
  })

  it('connects again after the server has closed its connection', async () => {
    const records = makeRecords(2)
    await sink.store(records.slice(0, 1), forEver)
    await client.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'sluice' and datname = current_database()",
    )
    await sink.store(records, forEver).catch(() => sink.store(records, forEver))
    assert.equal(await value('select count(*)::int from gateway_events'), 2)
  })

  it('gives up a statement that takes too long', async () => {
    await sink.store(makeRecords(1), forEver)
    const hurried = createPostgresSink({ url, clock: createTestClock(NOON_MS), log, statementTimeoutMs: 200 })
    await client.query('begin; lock table gateway_events in access exclusive mode')
    await assert.rejects(hurried.store(makeRecords(2), forEver), /statement timeout/)
    await client.query('rollback')
    await hurried.store(makeRecords(2), forEver)
    await hurried.close()
    assert.equal(await value('select count(*)::int from gateway_events'), 2)
  })

  it('gives up a statement once it is told to stop, and begins none after that', async () => {
    await sink.store(makeRecords(1), forEver)
    const patient = createPostgresSink({ url, clock: createTestClock(NOON_MS), log, statementTimeoutMs: 1e8 })
    const stop = new AbortController()
    await patient.store(makeRecords(1), stop.signal)
    await client.query('begin; lock table gateway_events in access exclusive mode')
    const storing = assert.rejects(patient.store(makeRecords(2), stop.signal))
    stop.abort()
    await storing
    await client.query('rollback')
    await assert.rejects(patient.store(makeRecords(3), stop.signal), { name: 'AbortError' })
    await patient.close()
    // The server may have ended the statement that was given up.
    assert.equal(await value('select count(*)::int from gateway_events where sequence = 3'), 0)
  })

  it('does not show the password of a server that it can not reach', async () => {
    const lost = createPostgresSink({
      url: 'postgres://u:planted@127.0.0.1:1/x',
      clock: createTestClock(),
      log,
    })
    await assert.rejects(
      lost.store(makeRecords(1), forEver),
      (error: Error) => !/planted/.test(String(error)),
    )
    await lost.close()
  })
})

describe('the PostgreSQL sink over TLS', () => {
  let postgres: Service
  let folder: TestFolder

  before(async function () {
    this.timeout(START_MS)
    folder = makeFolder()
    postgres = await usePostgres()
  })
  after(async () => {
    await postgres.close()
    folder.remove()
  })

  it('talks only to a server whose certificate its authority has signed', async () => {
    const certificates = makeCertificates(folder.path)
    const client = new pg.Client({ connectionString: postgres.url })
    await client.connect()
    // The server, which works in its data folder, writes them itself: that folder may be in a container.
    for (const [name, file] of [
      ['server.key', certificates.key],
      ['server.crt', certificates.certificate],
    ] as const) {
      const lines = readFileSync(file, 'utf8').trim().split('\n')
      const rows = lines.map(line => `(${client.escapeLiteral(line)})`).join()
      await client.query(`copy (values ${rows}) to program 'umask 077; cat >${name}'`)
    }
    await client.query('alter system set ssl = on')
    await client.query('select pg_reload_conf()')
    // New connections see it once the server has read its configuration again.
    for (let on = 'off'; on !== 'on'; ) on = (await client.query('show ssl')).rows[0].ssl
    const sinkWith = (authority: string) =>
      createPostgresSink({
        url: `${postgres.url}?sslmode=verify-full&sslrootcert=${encodeURIComponent(authority)}`,
        clock: createTestClock(NOON_MS),
        log,
      })
    await assert.rejects(sinkWith(certificates.otherAuthority).store(makeRecords(1), forEver), /certificate/)
    const sink = sinkWith(certificates.authority)
    await sink.store(makeRecords(1), forEver)
    const { rows: sessions } = await client.query(
      "select ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'sluice'",
    )
    assert.deepEqual(sessions, [{ ssl: true }])
    await sink.close()
    await client.end()
  })
})

describe('the migrations', () => {
  let url: string
  before(async function () {
    this.timeout(START_MS)
    url = await (await sharedPostgres()).createDatabase()
  })

  it('run once when ten nodes start at once', async () => {
    const applied = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const client = new pg.Client({ connectionString: url })
        await client.connect()
        try {
          return await migrate(client)
        } finally {
          await client.end()
        }
      }),
    )
    const busy = applied.filter(versions => versions.length > 0)
    assert.equal(busy.length, 1)
    assert.equal(busy[0]![0], 1)
  })

  it('refuse a database whose tables another version made', async () => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await client.query("update gateway_migrations set checksum = 'other' where version = 1")
    await assert.rejects(migrate(client), { code: 'SLUICE_EVENTS_SCHEMA' })
    await client.end()
  })
})
