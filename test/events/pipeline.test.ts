import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { Type } from 'typebox'
import { digestOf, genesis, link } from '../../events/chain.ts'
import { createEventPipeline, type EventPipeline, type EventPipelineSettings } from '../../events/pipeline.ts'
import { SpoolReader } from '../../events/spool/reader.ts'
import { SPOOL_START } from '../../events/spool/segment.ts'
import { systemClock } from '../../foundation/clock.ts'
import { createLogger } from '../../foundation/log.ts'
import { createMetrics, type Metrics } from '../../foundation/metrics.ts'
import type { EventType, SluiceEvent } from '../../sdk/event.ts'
import { makeFolder, type TestFolder } from '../support/folder.ts'
import { START_MS, sharedPostgres } from '../support/services.ts'
import { until } from '../support/until.ts'

const draft = (n: number) => ({ type: 'test.happened.v1', subject: `thing/${n}`, data: { n } })

describe('the event pipeline', () => {
  let folder: TestFolder
  let metrics: Metrics
  const open: EventPipeline[] = []

  beforeEach(() => {
    folder = makeFolder()
    metrics = createMetrics()
  })
  afterEach(async () => {
    for (const each of open.splice(0)) await each.close({ drainMs: 0 })
    folder.remove()
  })

  async function start(
    settings: Partial<EventPipelineSettings> = {},
    types: readonly EventType[] = [],
  ): Promise<EventPipeline> {
    const made = createEventPipeline(
      {
        node: 'test',
        spoolDir: folder.path,
        spoolMaxBytes: 1_000_000,
        postgresUrl: undefined,
        amqpUrl: undefined,
        ...settings,
      },
      { clock: systemClock, log: createLogger('silent'), metrics, random: Math.random, types },
    )
    await made.start()
    open.push(made)
    return made
  }

  const spools = () => readdirSync(folder.path).filter(name => !name.endsWith('.lock'))

  async function spooled(name: string): Promise<SluiceEvent[]> {
    const reader = new SpoolReader({ folder: path.join(folder.path, name), from: SPOOL_START })
    const events: SluiceEvent[] = []
    for (let batch = await reader.next(500, 1e6); batch; batch = await reader.next(500, 1e6))
      events.push(...batch.payloads.map(payload => JSON.parse(payload.toString())))
    await reader.close()
    return events
  }

  it('keeps events in the spool, chained, where there is no sink', async () => {
    const events = await start()
    await Promise.all(Array.from({ length: 20 }, (_, i) => events.publisher.publish(draft(i))))
    await events.close()
    const [name] = spools()
    const stored = await spooled(name!)
    assert.deepEqual(
      stored.slice(0, 20).map(event => [event.sequence, event.data.n]),
      Array.from({ length: 20 }, (_, i) => [i + 1, i]),
    )
    let chain = genesis(name!)
    for (const event of stored) {
      chain = link(chain, digestOf(event))
      assert.equal(event.chain, chain)
    }
    const last = stored.at(-1)!
    assert.equal(last.type, 'events.checkpoint.v1')
    assert.deepEqual(last.data, { writer: name, sequence: 20, chain: stored[19]!.chain, final: true })
  })

  it('writes an event that comes twice once', async () => {
    const events = await start()
    const twice = { ...draft(1), identity: 'request-1', timeMs: Date.now() }
    await Promise.all([events.publisher.publish(twice), events.publisher.publish(twice)])
    await events.publisher.publish(twice)
    await events.close()
    const stored = await spooled(spools()[0]!)
    assert.equal(stored.filter(event => event.type === 'test.happened.v1').length, 1)
    assert.match(await metrics.text(), /sluice_events_repeated_total 2/)
  })

  it('stores what no one declared, and counts it; drops what has no name, and says so', async () => {
    const events = await start()
    await events.publisher.publish(draft(1))
    await events.publisher.publish({ ...draft(2), type: 'no name' })
    await events.publisher.publish(undefined as never)
    await events.close()
    const text = await metrics.text()
    assert.match(text, /sluice_events_undeclared_total\{type="test.happened.v1"\} 1/)
    assert.match(text, /sluice_events_lost_total\{reason="malformed"\} 2/)
    const lost = (await spooled(spools()[0]!)).filter(event => event.type === 'events.lost.v1')
    assert.deepEqual(
      lost.map(event => [event.data.reason, event.data.count]),
      [['malformed', 2]],
    )
  })

  it('drops the newest events at the size limit, without making anyone wait, and counts each', async () => {
    const events = await start({ spoolMaxBytes: 20_000 })
    for (let i = 0; i < 100; i++) await events.publisher.publish(draft(i))
    await events.close()
    const stored = await spooled(spools()[0]!)
    const kept = stored.filter(event => event.type === 'test.happened.v1')
    assert.deepEqual(
      kept.map(event => event.data.n),
      kept.map((_, i) => i),
    )
    const lost = stored.filter(event => event.type === 'events.lost.v1')
    const count = lost.reduce((sum, event) => sum + Number(event.data.count), 0)
    assert.ok(kept.length > 20 && kept.length < 100)
    assert.equal(kept.length + count, 100)
    assert.ok(lost.every(event => event.data.reason === 'spool-full'))
    assert.match(
      await metrics.text(),
      new RegExp(`sluice_events_lost_total\\{reason="spool-full"\\} ${count}`),
    )
  })

  it('counts the spools of ended processes against the limit where no sink takes them over', async () => {
    const first = await start({ spoolMaxBytes: 20_000 })
    for (let i = 0; i < 100; i++) await first.publisher.publish(draft(i))
    await first.close()
    const second = await start({ spoolMaxBytes: 20_000 })
    const lost = async () =>
      Number(/sluice_events_lost_total\{reason="spool-full"\} (\d+)/.exec(await metrics.text())?.[1] ?? 0)
    await until('the spool of the first is counted', async () => {
      const [, bytes] = /^sluice_events_spool_bytes (\d+)/m.exec(await metrics.text()) ?? []
      return Number(bytes) > 15_000
    })
    const before = await lost()
    for (let i = 0; i < 50; i++) await second.publisher.publish(draft(i))
    // Alone, the second would have room for them.
    assert.ok((await lost()) > before)
    assert.ok(spools().length === 2, 'the first spool is left as it is')
  })

  it('drops expendable types first, so that the others still have room', async () => {
    const plenty = {
      type: 'test.plenty.v1',
      doc: 'Of no great interest.',
      data: Type.Object({}),
      expendable: true,
    }
    const events = await start({ spoolMaxBytes: 50_000 }, [plenty])
    for (let i = 0; i < 200; i++)
      await events.publisher.publish({ type: plenty.type, subject: 'x', data: {} })
    for (let i = 0; i < 5; i++) await events.publisher.publish(draft(i))
    await events.close()
    const stored = await spooled(spools()[0]!)
    assert.ok(stored.filter(event => event.type === plenty.type).length < 200)
    assert.equal(stored.filter(event => event.type === 'test.happened.v1').length, 5)
  })

  it('does not store an event that is too large for any sink, and says so', async () => {
    const events = await start({ spoolMaxBytes: 10_000_000 })
    await events.publisher.publish({ ...draft(1), data: { text: 'x'.repeat(2_000_000) } })
    await events.close()
    assert.match(await metrics.text(), /sluice_events_lost_total\{reason="too-large"\} 1/)
  })

  it('says before it has started that its spool is not open', () => {
    const made = createEventPipeline(
      { node: 'test', spoolDir: folder.path, spoolMaxBytes: 1, postgresUrl: undefined, amqpUrl: undefined },
      { clock: systemClock, log: createLogger('silent'), metrics, random: Math.random },
    )
    assert.deepEqual(made.problems(), ['the event spool is not open'])
  })

  it('says where its spool can not be made', async () => {
    const file = path.join(folder.path, 'file')
    writeFileSync(file, '')
    await assert.rejects(start({ spoolDir: path.join(file, 'spool') }), { code: 'SLUICE_SPOOL_FAILED' })
    await assert.rejects(start({ spoolDir: path.join(folder.path, 'x'.repeat(100)) }), /too long/)
  })

  describe('with PostgreSQL', () => {
    let url: string
    let client: pg.Client

    beforeEach(async function () {
      this.timeout(START_MS)
      url = await (await sharedPostgres()).createDatabase()
      client = new pg.Client({ connectionString: url })
      await client.connect()
    })
    afterEach(() => client.end())

    const stored = async (type = 'test.happened.v1') =>
      (await client.query('select * from gateway_events where type = $1 order by writer, sequence', [type]))
        .rows

    async function untilStored(count: number): Promise<void> {
      for (let i = 0; i < 400; i++) {
        if (await client.query("select to_regclass('gateway_events') as t").then(r => r.rows[0].t))
          if ((await stored()).length >= count) return
        await sleep(25)
      }
    }

    it('stores what was published, removes its spool and leaves nothing behind', async () => {
      const events = await start({ postgresUrl: url })
      await Promise.all(Array.from({ length: 2_000 }, (_, i) => events.publisher.publish(draft(i))))
      await events.close()
      const rows = await stored()
      assert.equal(rows.length, 2_000)
      assert.equal(new Set(rows.map(row => row.data.n)).size, 2_000)
      assert.deepEqual(readdirSync(folder.path), [])
    })

    it('takes over the spool of a process that is gone, sends it on, and removes it', async () => {
      const first = await start()
      for (let i = 0; i < 10; i++) await first.publisher.publish(draft(i))
      await first.close()
      const [orphan] = spools()
      const second = await start({ postgresUrl: url })
      await second.publisher.publish(draft(10))
      await untilStored(11)
      await second.close()
      const rows = await stored()
      assert.deepEqual(
        rows.map(row => row.data.n).sort((a, b) => a - b),
        Array.from({ length: 11 }, (_, i) => i),
      )
      assert.equal(new Set(rows.map(row => row.writer)).size, 2)
      const [adoption] = await stored('events.spool-adopted.v1')
      assert.equal(adoption.data.writer, orphan)
      assert.equal(adoption.data.sequence, 11) // ten and the last checkpoint
      assert.deepEqual(readdirSync(folder.path), [])
    })

    it('has each spool of an ended process taken over by one of several that start at once', async () => {
      for (let i = 0; i < 4; i++) {
        const ended = await start()
        for (let n = 0; n < 25; n++) await ended.publisher.publish(draft(i * 25 + n))
        await ended.close()
      }
      const heirs = await Promise.all(Array.from({ length: 5 }, () => start({ postgresUrl: url })))
      await untilStored(100)
      await Promise.all(heirs.map(heir => heir.close()))
      const rows = await stored()
      assert.equal(new Set(rows.map(row => row.data.n)).size, 100)
      assert.equal(rows.length, 100)
      const adoptions = await stored('events.spool-adopted.v1')
      assert.equal(adoptions.length, 4)
      assert.equal(new Set(adoptions.map(row => row.data.writer)).size, 4)
      assert.deepEqual(readdirSync(folder.path), [])
    })

    it('leaves the spool of a living process alone', async () => {
      const first = await start()
      await first.publisher.publish(draft(1))
      const [name] = spools()
      const second = await start({ postgresUrl: url })
      await second.publisher.publish(draft(2))
      await untilStored(1)
      await second.close()
      assert.ok(existsSync(path.join(folder.path, name!)))
      assert.equal((await stored()).length, 1)
    })

    it('removes the segments that every sink has passed while it runs', async () => {
      const events = await start({ postgresUrl: url, spoolMaxBytes: 100_000_000 })
      const text = 'x'.repeat(100_000)
      for (let i = 0; i < 400; i++) await events.publisher.publish({ ...draft(i), data: { n: i, text } })
      await untilStored(400)
      let segments: string[] = []
      for (let i = 0; i < 100; i++) {
        segments = readdirSync(path.join(folder.path, spools()[0]!)).filter(name => name.endsWith('.seg'))
        if (segments.length === 1) break
        await sleep(20)
      }
      assert.equal(segments.length, 1)
      assert.notEqual(segments[0], '00000001.seg')
    })

    it('does not wait for a sink that is away, and says so once it stays away', async () => {
      let nowMs = 0
      const made = createEventPipeline(
        {
          node: 'test',
          spoolDir: folder.path,
          spoolMaxBytes: 1_000_000,
          postgresUrl: 'postgres://u:p@127.0.0.1:1/x',
          amqpUrl: undefined,
        },
        {
          clock: { now: Date.now, monotonic: () => performance.now() + nowMs },
          log: createLogger('silent'),
          metrics,
          random: Math.random,
        },
      )
      await made.start()
      open.push(made)
      await made.publisher.publish(draft(1))
      assert.deepEqual(made.problems(), [])
      nowMs = 61_000
      const [problem, ...others] = made.problems()
      assert.match(String(problem), /^postgres has accepted no event for \d+ s while events wait: /)
      assert.deepEqual(others, [])
    })
  })
})

describe('a process that publishes and ends', () => {
  it('lives until its events are on disk', async () => {
    const folder = makeFolder()
    const module = (file: string) => path.resolve(import.meta.dirname, '../..', file)
    const script = `
      const { createEventPipeline } = await import(${JSON.stringify(module('events/pipeline.js'))})
      const { createMetrics } = await import(${JSON.stringify(module('foundation/metrics.js'))})
      const { createLogger } = await import(${JSON.stringify(module('foundation/log.js'))})
      const { systemClock } = await import(${JSON.stringify(module('foundation/clock.js'))})
      const events = createEventPipeline(
        { node: 'n', spoolDir: ${JSON.stringify(folder.path)}, spoolMaxBytes: 1e9 },
        { clock: systemClock, log: createLogger('silent'), metrics: createMetrics(), random: Math.random },
      )
      await events.start()
      const publish = n => events.publisher.publish({ type: 'test.happened.v1', subject: 's', data: { n } })
      // The first is written at once, the others gather.
      await Promise.all([publish(1), publish(2), publish(3)])
      process.stdout.write('written')
      await events.close()`
    const run = promisify(execFile)
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script])
    assert.equal(stdout, 'written')
    folder.remove()
  })
})
