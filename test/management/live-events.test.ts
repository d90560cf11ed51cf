import assert from 'node:assert/strict'
import path from 'node:path'
import pg from 'pg'
import { createEventPipeline, type EventPipeline } from '../../events/pipeline.ts'
import { systemClock } from '../../foundation/clock.ts'
import { createLogger } from '../../foundation/log.ts'
import { createMetrics } from '../../foundation/metrics.ts'
import { readSettings } from '../../foundation/settings.ts'
import { systemTimers, type Timers } from '../../foundation/timers.ts'
import { type Manager, startManager } from '../../management/manager.ts'
import { loggedIn } from '../support/browser-session.ts'
import { EventClient } from '../support/event-client.ts'
import { makeFolder } from '../support/folder.ts'
import { type RunningManager, startTestManager } from '../support/manager.ts'
import {
  borrowedPostgres,
  borrowedRabbit,
  type Service,
  START_MS,
  sharedPostgres,
} from '../support/services.ts'
import { until } from '../support/until.ts'

const TYPE = 'test.happened.v1'

describe("the manager's stream of events", function () {
  this.timeout(120_000)
  const folder = makeFolder()
  const clients: EventClient[] = []
  let postgresUrl: string
  let rabbit: Service
  let manager: RunningManager
  let pipeline: EventPipeline
  let published = 0

  before(async function () {
    this.timeout(START_MS)
    const postgres = await sharedPostgres()
    postgresUrl = await postgres.createDatabase()
    rabbit = await borrowedRabbit()
    manager = await startTestManager({
      SLUICE_ADMIN_URL: 'http://127.0.0.1:9',
      SLUICE_MANAGER_POSTGRES_URL: postgresUrl,
      SLUICE_POSTGRES_URL: postgresUrl,
      SLUICE_AMQP_URL: rabbit.url,
    })
    pipeline = createEventPipeline(
      {
        node: 'here',
        spoolDir: path.join(folder.path, 'spool'),
        spoolMaxBytes: 100_000_000,
        postgresUrl,
        amqpUrl: rabbit.url,
      },
      { clock: systemClock, log: createLogger('silent'), metrics: createMetrics(), random: Math.random },
    )
    await pipeline.start()
    // Both ways are open: what is told below is told of a gateway at work.
    const probe = await listen()
    await until('an event comes', async () => {
      await publish('warm')
      return probe.events.length > 0
    })
  })
  afterEach(async () => {
    await Promise.all(clients.splice(0).map(client => client.close()))
  })
  after(async () => {
    await pipeline?.close({ drainMs: 0 })
    await manager?.close()
    folder.remove()
  })

  async function publish(subject: string, type = TYPE): Promise<void> {
    await pipeline.publisher.publish({ type, subject, data: { n: published++ } })
  }

  async function listen(
    query = '?type=test.*',
    headers: Readonly<Record<string, string>> = {},
    url = manager.url,
  ): Promise<EventClient> {
    const client = new EventClient(url, `/v1/events${query}`, {
      authorization: `Bearer ${manager.tokens.viewer}`,
      ...headers,
    })
    clients.push(client)
    return client.open()
  }

  const startOther = (env: Record<string, string | undefined> = {}): Promise<Manager> =>
    startManager(readSettings({ ...manager.env, ...env }), { log: createLogger('silent') })

  const countOf = (client: EventClient, subject: string) =>
    client.events.filter(event => event.subject === subject).length

  it('tells an event once, with what it says', async () => {
    const client = await listen()
    assert.equal(client.headers['content-type'], 'text/event-stream; charset=utf-8')
    assert.match(String(client.headers['content-security-policy']), /default-src/)
    await publish('once')
    await until('it came', () => countOf(client, 'once') > 0)
    const event = client.events.find(({ subject }) => subject === 'once')
    assert.deepEqual(Object.keys(event ?? {}).sort(), ['data', 'id', 'node', 'subject', 'time', 'type'])
    // PostgreSQL has given it too by the time that something later has come from there.
    await until('it is stored', async () => (await stored('once')) === 1)
    await publish('later')
    await until('a later one came', () => countOf(client, 'later') > 0)
    assert.equal(countOf(client, 'once'), 1)
  })

  async function stored(subject: string): Promise<number> {
    return withClient(async client => {
      const { rows } = await client.query(
        'select count(*)::int as n from gateway_events where subject = $1',
        [subject],
      )
      return rows[0]?.n ?? 0
    })
  }

  async function withClient<T>(work: (client: pg.Client) => Promise<T>, url = postgresUrl): Promise<T> {
    const client = new pg.Client({ connectionString: url })
    client.on('error', () => {})
    await client.connect()
    try {
      return await work(client)
    } finally {
      await client.end()
    }
  }

  it('tells only the types that were asked for', async () => {
    const client = await listen(`?type=test.other.v1,circuit.*`)
    await publish('no')
    await publish('yes', 'test.other.v1')
    await publish('too', 'circuit.tried.v1')
    await until('both came', () => client.events.length >= 2)
    assert.deepEqual(
      client.events.map(({ subject }) => subject),
      ['yes', 'too'],
    )
    const wrong = await manager.call('GET', '/v1/events?type=circuit%2F*')
    assert.deepEqual([wrong.status, wrong.body.errors[0].pointer], [400, '?type'])
  })

  it('is for those who are known', async () => {
    assert.equal((await listen('', { authorization: '' })).status, 401)
    const head = await fetch(`${manager.url}/v1/events`, {
      method: 'HEAD',
      headers: { authorization: `Bearer ${manager.tokens.viewer}` },
    })
    assert.equal(head.status, 405)
  })

  it('goes on behind the last event that a client has seen', async () => {
    const first = await listen()
    for (const subject of ['seen-1', 'seen-2']) await publish(subject)
    await until('both came', () => first.events.length === 2)
    await first.close()
    for (const subject of ['missed-1', 'missed-2']) await publish(subject)
    const again = await listen('?type=test.*', { 'last-event-id': first.ids[0] ?? '' })
    await publish('live')
    await until('the last one came', () => countOf(again, 'live') > 0)
    assert.deepEqual(
      again.events.map(({ subject }) => subject),
      ['seen-2', 'missed-1', 'missed-2', 'live'],
    )
  })

  it('goes on in another process, without a gap', async () => {
    const first = await listen()
    for (const subject of ['here-1', 'here-2']) await publish(subject)
    await until('both came', () => first.events.length === 2)
    await first.close()
    await publish('between')
    await until('it is stored', async () => (await stored('between')) === 1)
    const other = await startOther()
    try {
      const again = await listen('?type=test.*', { 'last-event-id': first.ids[1] ?? '' }, other.url)
      await publish('there')
      await until('the last one came', () => countOf(again, 'there') > 0)
      assert.deepEqual([countOf(again, 'between'), countOf(again, 'there'), again.resets.length], [1, 1, 0])
      assert.equal(new Set(again.ids).size, again.ids.length)
      assert.ok(!again.ids.includes(first.ids[1] ?? ''), 'what was seen last does not come again')
    } finally {
      await Promise.all(clients.splice(0).map(client => client.close()))
      await other.close()
    }
  })

  it('says when too much was missed, or the id says nothing', async () => {
    const unknown = await listen('', { 'last-event-id': 'nonsense' })
    await until('it says so', () => unknown.resets.length === 1)
    await withClient(client =>
      client.query(
        `insert into gateway_events (time, id, type, subject, node, writer, sequence, chain, data)
         select now(), gen_random_uuid(), 'bulk.loaded.v1', 'bulk', 'node', 'old-writer', n, '\\x00', '{}'
           from generate_series(1, 10001) n`,
      ),
    )
    const other = await startOther()
    try {
      const longAgo = `${(Date.now() - 600_000)
        .toString(16)
        .padStart(12, '0')
        .replace(/^(.{8})/, '$1-')}-8000-8000-000000000000`
      const late = await listen('', { 'last-event-id': longAgo }, other.url)
      await until('it says so', () => late.resets.length === 1)
      assert.match(late.resets[0] ?? '', /more than 10000/)
      const narrow = await listen('?type=test.*', { 'last-event-id': longAgo }, other.url)
      await publish('after all')
      await until('it goes on', () => countOf(narrow, 'after all') === 1 && countOf(late, 'after all') === 1)
      assert.deepEqual(narrow.resets, [])
    } finally {
      await Promise.all(clients.splice(0).map(client => client.close()))
      await other.close()
    }
  })

  it('loses nothing when the broker is killed, and comes back', async () => {
    const client = await listen()
    const subjects: string[] = []
    let isGoing = true
    const publishing = (async () => {
      while (isGoing) {
        const subject = `broker-${subjects.length}`
        subjects.push(subject)
        await publish(subject)
        await new Promise(resolve => setTimeout(resolve, 5))
      }
    })()
    const more = (count: number) => {
      const from = client.events.length
      return until('events come', () => client.events.length >= from + count)
    }
    await more(20)
    await rabbit.kill()
    await more(50)
    await rabbit.restart()
    await more(50)
    isGoing = false
    await publishing
    await until('all came', () => client.events.length >= subjects.length)
    assert.deepEqual(client.events.map(({ subject }) => subject).sort(), subjects.sort())
    assert.equal(client.hasEnded, false)
  })

  it('goes on while PostgreSQL hangs or is away, and tells nothing twice when it is back', async () => {
    const own = await borrowedPostgres()
    const timers: Timers = {
      ...systemTimers,
      // Heartbeats come often.
      every: (ms, work) => systemTimers.every(ms === 5_000 ? 100 : ms, work),
    }
    const alone = await startTestManager(
      {
        SLUICE_ADMIN_URL: 'http://127.0.0.1:9',
        SLUICE_MANAGER_POSTGRES_URL: own.url,
        SLUICE_POSTGRES_URL: own.url,
        SLUICE_AMQP_URL: rabbit.url,
      },
      { timers },
    )
    const writer = createEventPipeline(
      {
        node: 'there',
        spoolDir: path.join(folder.path, 'other'),
        spoolMaxBytes: 1e8,
        postgresUrl: own.url,
        amqpUrl: rabbit.url,
      },
      { clock: systemClock, log: createLogger('silent'), metrics: createMetrics(), random: Math.random },
    )
    await writer.start()
    const happen = (subject: string) =>
      writer.publisher.publish({ type: 'away.happened.v1', subject, data: {} })
    try {
      const client = await listen(
        '?type=away.*',
        { authorization: `Bearer ${alone.tokens.viewer}` },
        alone.url,
      )
      await until('the ways are open', async () => {
        await happen('warm')
        return client.events.length > 0
      })
      const second = await listen('', { authorization: `Bearer ${alone.tokens.editor}` }, alone.url)
      await own.pause()
      const before = [client.beats, second.beats] as const
      // Longer than a token is remembered.
      await until('the first hears heartbeats', () => client.beats >= before[0] + 30)
      assert.ok(second.beats >= before[1] + 20, `${second.beats - before[1]} heartbeats of another stream`)
      await own.resume()
      await own.kill()
      for (const subject of ['a', 'b', 'c']) await happen(subject)
      await until('they came', () => ['a', 'b', 'c'].every(subject => countOf(client, subject) === 1))
      await own.restart()
      await until('they are stored', async () => {
        const { rowCount } = await withClient(
          stored => stored.query("select from gateway_events where subject in ('a', 'b', 'c')"),
          own.url,
        )
        return rowCount === 3
      })
      await happen('d')
      await until('what came later came', () => countOf(client, 'd') === 1)
      assert.equal(new Set(client.ids).size, client.ids.length)
      assert.equal(client.hasEnded, false)
    } finally {
      await Promise.all(clients.splice(0).map(each => each.close()))
      await writer.close({ drainMs: 0 })
      await alone.close()
    }
  })

  it('follows PostgreSQL alone where there is no broker', async () => {
    const alone = await startOther({ SLUICE_AMQP_URL: undefined })
    try {
      const client = await listen('?type=test.*', {}, alone.url)
      await publish('by the table')
      await until('it came', () => countOf(client, 'by the table') === 1)
    } finally {
      await Promise.all(clients.splice(0).map(client => client.close()))
      await alone.close()
    }
  })

  it('ends with the session of its operator', async () => {
    const body = { name: 'watcher', role: 'viewer', password: 'correct horse battery' }
    await manager.call('POST', '/v1/operators', body)
    const session = await loggedIn(manager.url, body.name, body.password)
    const client = await listen('', { authorization: '', cookie: session.cookie })
    assert.equal(client.status, 200)
    await session.call('DELETE', '/v1/session')
    await until('the stream has ended', () => client.hasEnded)
  })
})
