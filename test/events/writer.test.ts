import assert from 'node:assert/strict'
import { Type } from 'typebox'
import { EventMetrics } from '../../events/metrics.ts'
import { readSpool } from '../../events/spool/inspect.ts'
import { Spool, type SpoolOptions } from '../../events/spool/spool.ts'
import { timeOf } from '../../events/stamp.ts'
import { EventRegistry } from '../../events/types/registry.ts'
import { ChainVerifier } from '../../events/verify.ts'
import { EventWriter } from '../../events/writer.ts'
import { createLogger } from '../../foundation/log.ts'
import { createMetrics, type Metrics } from '../../foundation/metrics.ts'
import type { EventType, SluiceEvent } from '../../sdk/event.ts'
import { makeFolder, type TestFolder } from '../support/folder.ts'
import { type HeldTimers, holdTimers } from '../support/held-timers.ts'
import { createTestClock, type TestClock } from '../support/test-clock.ts'
import { until } from '../support/until.ts'

describe('a writer of events', () => {
  let folder: TestFolder
  let timers: HeldTimers
  let metrics: Metrics
  let spool: Spool
  let clock: TestClock
  /** What was warned of. */
  let told: unknown[]

  beforeEach(() => {
    folder = makeFolder()
    timers = holdTimers()
    metrics = createMetrics()
    told = []
  })
  afterEach(() => folder.remove())

  async function open(
    options: Pick<SpoolOptions, 'sync' | 'maxPendingBytes'>,
    types: readonly EventType[] = [],
  ): Promise<EventWriter> {
    clock = createTestClock()
    const log = createLogger('silent')
    log.warn = (about: unknown) => void told.push(about)
    spool = await Spool.create({ folder: folder.path, clock, timers, ...options })
    return new EventWriter(spool, {
      node: 'n',
      writer: 'w',
      registry: new EventRegistry(types),
      clock,
      timers,
      log,
      metrics: new EventMetrics(metrics),
      maxBytes: 1e9,
      otherBytes: () => 0,
    })
  }

  const written = async () => {
    const events: SluiceEvent[] = []
    for await (const batch of readSpool(folder.path)) events.push(...batch.events)
    return events
  }

  it('answers within 100 ms, the time that events gather included, when the disk does not', async () => {
    let release = () => {}
    const disk = new Promise<void>(resolve => {
      release = resolve
    })
    const writer = await open({ sync: () => disk })
    const answered: string[] = []
    const publish = (subject: string) =>
      void writer.publish({ type: 'test.happened.v1', subject, data: {} }).then(() => answered.push(subject))
    // The first is written at once, the second gathers with others.
    publish('first')
    publish('second')
    await timers.advance(89)
    assert.deepEqual(answered, [])
    await timers.advance(1)
    assert.deepEqual(answered, ['first'])
    await timers.advance(9)
    assert.deepEqual(answered, ['first'])
    await timers.advance(1)
    assert.deepEqual(answered, ['first', 'second'])
    release()
    await spool.close()
  })

  it('ends its report of losses where the report itself has no room', async () => {
    // Room for no event at all: each is lost, and so is the record of it.
    const writer = await open({ maxPendingBytes: 1 })
    writer.countLost('corrupt', 1)
    writer.housekeep()
    writer.finish()
    assert.equal(writer.sequence, 0)
    await spool.close()
  })

  it('leaves no gap in the chain where an event has no room', async () => {
    let release = () => {}
    const disk = new Promise<void>(resolve => {
      release = resolve
    })
    const writer = await open({ sync: () => disk, maxPendingBytes: 2_000 })
    const publish = (subject: string) =>
      void writer.publish({ type: 'test.happened.v1', subject, data: {} }).catch(assert.fail)
    for (let n = 0; n < 20; n++) publish(`early/${n}`)
    writer.finish()
    release()
    await until('the disk has taken them', () => spool.durableRecords === writer.sequence)
    publish('late')
    writer.finish()
    await spool.close()
    const events = await written()
    const verifier = new ChainVerifier('w')
    for (const { sequence, chain, ...rest } of events)
      verifier.add({ sequence, chain, content: { sequence, chain, ...rest } })
    assert.deepEqual(verifier.finish().problems, [])
    assert.ok(events.some(({ subject }) => subject === 'late'))
    assert.ok(!events.some(({ subject }) => subject === 'early/19'))
  })

  it('writes down losses every ten seconds, with the times of the first and the last', async () => {
    const writer = await open({})
    for (let second = 0; second <= 10; second++) {
      writer.countLost('corrupt', 1)
      writer.housekeep()
      clock.advance(1_000)
    }
    await spool.close()
    const losses = (await written()).filter(({ type }) => type === 'events.lost.v1')
    assert.deepEqual(
      losses.map(({ data }) => [data.count, data.first_at, data.last_at]),
      [
        [1, '2026-01-15T12:00:00.000Z', '2026-01-15T12:00:00.000Z'],
        [10, '2026-01-15T12:00:01.000Z', '2026-01-15T12:00:10.000Z'],
      ],
    )
  })

  it('ends its chain behind all events, those that still gather included', async () => {
    const writer = await open({})
    const publish = (subject: string) =>
      void writer.publish({ type: 'test.happened.v1', subject, data: {} }).catch(assert.fail)
    publish('at once')
    publish('gathering')
    writer.finish()
    await spool.close()
    assert.deepEqual(
      (await written()).map(({ type, data }) => [type, data.sequence, data.final]),
      [
        ['test.happened.v1', undefined, undefined],
        ['test.happened.v1', undefined, undefined],
        ['events.checkpoint.v1', 2, true],
      ],
    )
  })

  it('gives an event whose time is absurd the present one', async () => {
    const years = [1970, 1999, 2000, 2099, 2100, 9999].map(year => Date.UTC(year))
    const nowMs = Date.UTC(2026)
    const times = [...years, Number.NaN, Number.POSITIVE_INFINITY].map(timeMs =>
      timeOf({ type: 't', subject: 's', data: {}, timeMs }, nowMs),
    )
    assert.deepEqual(times, [nowMs, nowMs, years[2], years[3], nowMs, nowMs, nowMs, nowMs])
  })

  it('warns of a hundred faults at most, whatever is published', async () => {
    const writer = await open({})
    const publish = (type: string) => void writer.publish({ type, subject: 's', data: {} }).catch(assert.fail)
    for (let n = 0; n < 150; n++) publish(`test.happened-${n}.v1`)
    writer.finish()
    await spool.close()
    assert.equal(told.length, 100)
    assert.equal((await written()).filter(({ type }) => type.startsWith('test.')).length, 150)
  })

  it('keeps events that do not match their type, and says of the first what is wrong', async () => {
    const data = Type.Object({ n: Type.Integer(), name: Type.String() })
    const writer = await open({}, [{ type: 'test.happened.v1', doc: 'A test.', data }])
    const publish = (wrong: Record<string, unknown>) =>
      void writer.publish({ type: 'test.happened.v1', subject: 's', data: wrong })
    for (let n = 0; n < 9; n++) publish({ n: 'x', name: 'a' })
    publish({ n: 1, name: 2 })
    // Behind ten of a type nothing is looked into.
    publish({})
    writer.finish()
    await spool.close()
    assert.deepEqual(told, [
      { problem: 'test.happened.v1: /n must be integer' },
      { problem: 'test.happened.v1: /name must be string' },
    ])
    assert.match(await metrics.text(), /sluice_events_undeclared_total\{type="test.happened.v1"\} 11/)
    assert.match(await metrics.text(), /sluice_events_appended_total\{type="test.happened.v1"\} 11/)
  })
})
