import assert from 'node:assert/strict'
import { mkdirSync, renameSync, rmSync } from 'node:fs'
import path from 'node:path'
import { Relay } from '../../events/relay.ts'
import type { Sink, SinkRecord } from '../../events/sink.ts'
import { Cursor } from '../../events/spool/cursor.ts'
import { SpoolReader } from '../../events/spool/reader.ts'
import { encodeRecord } from '../../events/spool/record.ts'
import { segmentPath } from '../../events/spool/segment.ts'
import { Spool } from '../../events/spool/spool.ts'
import { systemClock } from '../../foundation/clock.ts'
import { createLogger } from '../../foundation/log.ts'
import { makeFolder, type TestFolder } from '../support/folder.ts'
import { type HeldTimers, holdTimers } from '../support/held-timers.ts'
import { until } from '../support/until.ts'

describe('a relay', () => {
  let folder: TestFolder
  let timers: HeldTimers
  let spool: Spool
  let relay: Relay
  let stored: SinkRecord[]
  let failures: number
  let draw: number
  let syncFaults: number
  let cursor: Cursor
  let isSinkClosed: boolean
  let corrupt: number

  beforeEach(async () => {
    folder = makeFolder()
    timers = holdTimers()
    stored = []
    failures = 0
    draw = 1
    syncFaults = 0
    corrupt = 0
    spool = await Spool.create({ folder: folder.path, clock: systemClock, lateMs: 100_000 })
    cursor = await Cursor.open(folder.path, 'test')
    isSinkClosed = false
    const sink: Sink = {
      name: 'test',
      async store(records) {
        if (failures > 0) {
          failures -= 1
          throw new Error('away')
        }
        stored.push(...records)
        return { refused: 0 }
      },
      async close() {
        isSinkClosed = true
      },
    }
    relay = new Relay({
      sink,
      timers,
      clock: systemClock,
      random: () => draw,
      log: createLogger('silent'),
      metrics: { confirmed() {}, retried() {}, refused() {} },
      onCorrupt: regions => {
        corrupt += regions
      },
    })
    const reader = new SpoolReader({ folder: folder.path, from: cursor.position, limit: () => spool.durable })
    const onSynced = async () => {
      if (syncFaults > 0) {
        syncFaults -= 1
        throw new Error('input/output error')
      }
    }
    relay.add({ reader, cursor, finite: false, onSynced })
    relay.start()
  })
  afterEach(async () => {
    assert.equal(corrupt, 0, 'nothing is damaged')
    await relay.close()
    await spool.close()
    folder.remove()
  })

  async function append(n: number, time = '2026-01-01T00:00:00.000Z'): Promise<void> {
    const event = { id: `e${n}`, type: 't', time, writer: 'w', sequence: n }
    await spool.append(encodeRecord(JSON.stringify(event)))
    relay.wake()
  }

  /** Lets each pause pass that is asked for, until so many were. */
  async function passPauses(count: number): Promise<readonly number[]> {
    for (let n = 1; n <= count; n++) {
      await until(`pause ${n}`, () => timers.asked.length >= n)
      await timers.advance(timers.asked[n - 1] ?? 0)
    }
    return timers.asked
  }

  it('pauses twice as long after each failure, up to ten seconds, and then sends the same records', async () => {
    failures = 11
    await append(1)
    const pauses = await passPauses(11)
    assert.deepEqual(pauses, [50, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000])
    await until('the record is stored', () => stored.length === 1)
    assert.equal(stored[0]?.id, 'e1')
  })

  it('begins with the shortest pause again once the sink has taken something', async () => {
    failures = 3
    await append(1)
    await passPauses(3)
    await until('the first is stored', () => stored.length === 1)
    await until('nothing waits', () => relay.idle)
    assert.equal(relay.failing, undefined)
    failures = 1
    await append(2)
    assert.deepEqual(await passPauses(4), [50, 100, 200, 50])
    await until('the second is stored', () => stored.length === 2)
  })

  it('draws the pause at random below its bound, so that nodes do not come back all at once', async () => {
    draw = 0.25
    failures = 3
    await append(1)
    assert.deepEqual(await passPauses(3), [12.5, 25, 50])
  })

  it('stops at once while it pauses', async () => {
    failures = Number.POSITIVE_INFINITY
    await append(1)
    await until('it pauses', () => timers.asked.length === 1)
    await relay.close()
    assert.deepEqual(stored, [])
  })

  it('goes on after a disk that could not keep its place', async () => {
    syncFaults = 1
    await append(1)
    await passPauses(1)
    await until('it has nothing to do', () => relay.idle)
    await append(2)
    await until('both are stored', () => stored.length === 2)
    assert.equal(syncFaults, 0)
  })

  it('keeps its place where it is until the sink has taken a batch', async () => {
    failures = 1
    await append(1)
    await until('it pauses', () => timers.asked.length === 1)
    assert.equal(cursor.records, 0)
    await passPauses(1)
    await until('it has moved on', () => cursor.records === 1)
  })

  it('counts a record that is no event, and sends the others of its batch', async () => {
    failures = 1
    await append(1)
    await until('it pauses', () => timers.asked.length === 1)
    await spool.append(encodeRecord('no event'))
    await append(2)
    await passPauses(1)
    await until('the others are stored', () => stored.length === 2)
    assert.equal(corrupt, 1)
    corrupt = 0
  })

  it('sends spools of ended processes before its own', async () => {
    failures = 1
    await append(1)
    await until('it pauses', () => timers.asked.length === 1)
    const other = makeFolder()
    const written = await Spool.create({ folder: other.path, clock: systemClock, lateMs: 100_000 })
    const event = { id: 'other', type: 't', time: '2026-01-01T00:00:00.000Z', writer: 'v', sequence: 1 }
    await written.append(encodeRecord(JSON.stringify(event)))
    await written.close()
    const its = await Cursor.open(other.path, 'test')
    relay.add({
      reader: new SpoolReader({ folder: other.path, from: its.position }),
      cursor: its,
      finite: true,
    })
    await append(2)
    await passPauses(1)
    await until('all are stored', () => stored.length === 3)
    assert.deepEqual(
      stored.map(({ id }) => id),
      ['e1', 'other', 'e2'],
    )
    await until('nothing waits', () => relay.idle)
    other.remove()
  })

  it('closes its sink and its files where its place cannot be kept', async () => {
    await append(1)
    await until('the record is stored', () => stored.length === 1)
    cursor.sync = () => Promise.reject(new Error('input/output error'))
    await relay.close()
    assert.equal(isSinkClosed, true)
    await assert.rejects(cursor.advance(cursor.position, 0), /closed/)
  })

  it('is done with a spool that nobody writes any more only when its place there is kept', async () => {
    const other = makeFolder()
    const written = await Spool.create({ folder: other.path, clock: systemClock, lateMs: 100_000 })
    await written.close()
    const its = await Cursor.open(other.path, 'test')
    const sync = its.sync.bind(its)
    its.sync = async () => {
      its.sync = sync
      throw new Error('input/output error')
    }
    let ended = 0
    const onEnd = async () => {
      ended++
    }
    const reader = new SpoolReader({ folder: other.path, from: its.position })
    relay.add({ reader, cursor: its, finite: true, onEnd })
    await passPauses(1)
    await until('it is done with', () => ended === 1)
    await assert.rejects(its.advance(its.position, 0), /closed/)
    other.remove()
  })

  it('goes on with the others where one spool cannot be read, and tries that one again', async () => {
    const other = makeFolder()
    const written = await Spool.create({ folder: other.path, clock: systemClock, lateMs: 100_000 })
    const event = { id: 'other', type: 't', time: '2026-01-01T00:00:00.000Z', writer: 'v', sequence: 1 }
    await written.append(encodeRecord(JSON.stringify(event)))
    await written.close()
    const segment = segmentPath(other.path, 1)
    const away = path.join(other.path, 'away')
    // A file that can't be read, whoever runs this: a folder in its place.
    renameSync(segment, away)
    mkdirSync(segment)
    const its = await Cursor.open(other.path, 'test')
    let ended = 0
    const onEnd = async () => {
      ended++
    }
    const reader = new SpoolReader({ folder: other.path, from: its.position })
    relay.add({ reader, cursor: its, finite: true, onEnd })
    await until('it was tried', () => timers.asked.length === 1)
    await append(1)
    await until('the other spool is sent on', () => stored.length === 1)
    assert.equal(relay.idle, false, 'events wait')
    rmSync(segment, { recursive: true })
    renameSync(away, segment)
    await passPauses(1)
    await until('it is sent on, too', () => ended === 1)
    assert.deepEqual(
      stored.map(({ id }) => id),
      ['e1', 'other'],
    )
    await until('nothing waits', () => relay.idle)
    other.remove()
  })

  it('tells how long records have waited, also behind one whose time cannot be read', async () => {
    await append(1, 'at noon')
    await until('the first is stored', () => stored.length === 1)
    failures = Number.POSITIVE_INFINITY
    await append(2)
    await until('the second waits', () => timers.asked.length === 1)
    assert.ok(relay.lagMs >= 0, String(relay.lagMs))
  })
})
