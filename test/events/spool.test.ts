import assert from 'node:assert/strict'
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { Cursor, cursorPath } from '../../events/spool/cursor.ts'
import { SpoolReader } from '../../events/spool/reader.ts'
import { encodeRecord } from '../../events/spool/record.ts'
import { cutTornTail } from '../../events/spool/repair.ts'
import { listSegments, SPOOL_START, segmentPath } from '../../events/spool/segment.ts'
import { Spool, type SpoolOptions } from '../../events/spool/spool.ts'
import { systemClock } from '../../foundation/clock.ts'
import { makeFolder, type TestFolder } from '../support/folder.ts'
import { holdTimers } from '../support/held-timers.ts'
import { until } from '../support/until.ts'

/** Longer than any disk takes. */
const PATIENCE_MS = 100_000

const text = (sequence: number) => JSON.stringify({ sequence, chain: `c${sequence}` })
const record = (sequence: number) => encodeRecord(text(sequence))

describe('a spool', () => {
  let folder: TestFolder
  let spool: Spool | undefined

  beforeEach(() => {
    folder = makeFolder()
  })
  afterEach(async () => {
    await spool?.close()
    spool = undefined
    folder.remove()
  })

  /** An append waits for the disk as long as it takes, where a test does not say otherwise. */
  const open = async (options: Partial<SpoolOptions> = {}) => {
    spool = await Spool.create({ folder: folder.path, clock: systemClock, lateMs: PATIENCE_MS, ...options })
    return spool
  }
  const readAll = async (from = SPOOL_START, limit?: () => typeof SPOOL_START) => {
    const reader = new SpoolReader({ folder: folder.path, from, ...(limit ? { limit } : {}) })
    const found: string[] = []
    let bad = 0
    for (let batch = await reader.next(3, 4096); batch; batch = await reader.next(3, 4096)) {
      found.push(...batch.payloads.map(String))
      bad += batch.badRegions
    }
    await reader.close()
    return { found, bad }
  }

  it('answers an append once an fsync has covered it, and covers many by one', async () => {
    const covered: number[] = []
    let syncs = 0
    const made = await open({
      sync: async file => {
        syncs++
        covered.push((await file.stat()).size)
      },
    })
    const first = made.append(record(1))!
    await first
    const size = statSync(segmentPath(folder.path, 1)).size
    assert.deepEqual(covered, [size])
    const many = Array.from({ length: 100 }, (_, i) => made.append(record(i + 2))!)
    await Promise.all(many)
    assert.equal(syncs, 2)
    assert.equal(made.durableRecords, 101)
  })

  it('gives the records back in their order, over several segments', async () => {
    const made = await open({ maxSegmentBytes: 200 })
    for (let i = 1; i <= 40; i++) await made.append(record(i))
    assert.ok((await listSegments(folder.path)).length > 3)
    const { found } = await readAll(SPOOL_START, () => made.durable)
    assert.deepEqual(
      found,
      Array.from({ length: 40 }, (_, i) => text(i + 1)),
    )
  })

  it('answers after the time limit when the disk is slow, counts that, and still writes', async () => {
    let release = () => {}
    const blocked = new Promise<void>(resolve => {
      release = resolve
    })
    let late = 0
    const made = await open({
      lateMs: 5,
      sync: () => blocked,
      watcher: {
        late: records => {
          late += records
        },
      },
    })
    await Promise.all([made.append(record(1)), made.append(record(2))])
    assert.equal(late, 2)
    assert.equal(made.durableRecords, 0)
    release()
    await made.close()
    assert.equal(made.durableRecords, 2)
  })

  it('has an append wait for the disk also behind one that came late', async () => {
    let release = () => {}
    const disk = new Promise<void>(resolve => {
      release = resolve
    })
    const timers = holdTimers()
    let syncs = 0
    const sync = () => {
      syncs++
      return disk
    }
    // Its first record fills a segment: what comes waits for the next one.
    const made = await open({ timers, lateMs: 90, sync, maxSegmentBytes: 20 })
    const answered: number[] = []
    const append = (n: number) => void made.append(record(n))?.then(() => answered.push(n))
    try {
      append(1)
      await until('the disk is asked', () => syncs === 1)
      append(2)
      await timers.advance(90)
      append(3)
      await timers.advance(89)
      assert.deepEqual(answered, [1, 2])
      await timers.advance(1)
      assert.deepEqual(answered, [1, 2, 3])
    } finally {
      release()
    }
  })

  it('writes the same records to a new segment after a failed fsync', async () => {
    let failures = 2
    const errors: unknown[] = []
    const made = await open({
      sync: async file => {
        if (failures-- > 0) throw new Error('EIO')
        await file.datasync()
      },
      watcher: { failed: error => errors.push(error) },
    })
    await Promise.all([made.append(record(1)), made.append(record(2))])
    await made.append(record(3))
    await made.close()
    assert.equal(errors.length, 2)
    const { found, bad } = await readAll()
    assert.deepEqual(found, [text(1), text(2), text(3)])
    assert.equal(bad, 0)
  })

  it('says how many records it drops when it is closed while the disk takes none', async () => {
    const dropped: number[] = []
    const made = await open({
      sync: () => Promise.reject(new Error('no space left')),
      watcher: { dropped: records => void dropped.push(records) },
    })
    const answers = [1, 2, 3].map(n => made.append(record(n)))
    await made.close()
    await Promise.all(answers)
    assert.deepEqual(dropped, [3])
    assert.equal(made.durableRecords, 0)
  })

  describe('behind an fsync that takes long', () => {
    /** The first fsync takes until it is told how to end; those behind it end at once. */
    const slowDisk = () => {
      let end = (_error?: Error) => {}
      const first = new Promise<void>((resolve, reject) => {
        end = error => (error ? reject(error) : resolve())
      })
      let syncs = 0
      return { end: (error?: Error) => end(error), sync: () => (syncs++ === 0 ? first : Promise.resolve()) }
    }
    const isOnDisk = (sequence: number) =>
      until(`${sequence} is written`, async () => (await readAll()).found.includes(text(sequence)))

    it('writes what comes, so that it outlives the process, and calls it durable after the next one', async () => {
      const { end, sync } = slowDisk()
      const durable: number[] = []
      const made = await open({ sync })
      made.onDurable(() => durable.push(made.durableRecords))
      const appended = [made.append(record(1))]
      await isOnDisk(1)
      appended.push(made.append(record(2)))
      await isOnDisk(2)
      appended.push(made.append(record(3)))
      await isOnDisk(3)
      assert.equal(made.durableRecords, 0)
      assert.deepEqual((await readAll(SPOOL_START, () => made.durable)).found, [])
      end()
      await Promise.all(appended)
      assert.deepEqual(durable, [1, 3])
      assert.deepEqual((await readAll()).found, [text(1), text(2), text(3)])
    })

    it('writes all of it again to a new segment when that fsync fails', async () => {
      const { end, sync } = slowDisk()
      const made = await open({ sync })
      const appended = [made.append(record(1))]
      await isOnDisk(1)
      appended.push(made.append(record(2)))
      await isOnDisk(2)
      end(new Error('EIO'))
      await Promise.all([...appended, made.append(record(3))])
      assert.deepEqual(await readAll(), { found: [text(1), text(2), text(3)], bad: 0 })
      assert.equal(made.durable.segment, 2)
      assert.equal(made.durableRecords, 3)
    })

    it('fills its segment and no more, and goes on in the next', async () => {
      const { end, sync } = slowDisk()
      const made = await open({ sync, maxSegmentBytes: 3 * record(1).length })
      const appended: unknown[] = []
      for (const sequence of [1, 2, 3]) {
        appended.push(made.append(record(sequence)))
        await isOnDisk(sequence)
      }
      appended.push(made.append(record(4)))
      end()
      await Promise.all(appended)
      assert.deepEqual(await listSegments(folder.path), [1, 2])
      assert.deepEqual((await readAll()).found, [text(1), text(2), text(3), text(4)])
      assert.equal(
        made.bytes,
        statSync(segmentPath(folder.path, 1)).size + statSync(segmentPath(folder.path, 2)).size,
      )
    })
  })

  it('refuses records when too many wait for the disk', async () => {
    let release = () => {}
    const blocked = new Promise<void>(resolve => {
      release = resolve
    })
    const made = await open({ sync: () => blocked, maxPendingBytes: record(1).length * 2, lateMs: 5 })
    assert.ok(made.append(record(1)))
    assert.ok(made.append(record(2)))
    assert.equal(made.append(record(3)), undefined)
    release()
  })

  it('removes the segments before a number, and never the one in use', async () => {
    const made = await open({ maxSegmentBytes: 100 })
    for (let i = 1; i <= 9; i++) await made.append(record(i))
    const bytes = made.bytes
    const last = made.durable.segment
    await made.removeBefore(last + 5)
    assert.deepEqual(await listSegments(folder.path), [last])
    assert.ok(made.bytes < bytes)
  })

  it('has its torn tail cut, and only that', async () => {
    const made = await open()
    for (let i = 1; i <= 3; i++) await made.append(record(i))
    await made.close()
    const file = segmentPath(folder.path, 1)
    const whole = statSync(file).size
    for (let cut = 1; cut < record(4).length; cut++) {
      truncateSync(file, whole)
      writeFileSync(file, record(4).subarray(0, cut), { flag: 'a' })
      assert.deepEqual(await cutTornTail(folder.path), { sequence: 3, chain: 'c3', tornBytes: cut })
      assert.equal(statSync(file).size, whole)
    }
  })

  it('has a tail even when its last segment holds nothing', async () => {
    const made = await open()
    await made.append(record(1))
    await made.close()
    writeFileSync(segmentPath(folder.path, 2), 'SLSP')
    assert.equal((await cutTornTail(folder.path)).sequence, 1)
    assert.deepEqual((await readAll()).found, [text(1)])
  })

  it('passes over a damaged record and reports it', async () => {
    const made = await open()
    for (let i = 1; i <= 5; i++) await made.append(record(i))
    await made.close()
    const file = segmentPath(folder.path, 1)
    const bytes = readFileSync(file)
    const at = bytes.indexOf(text(3))
    bytes[at + 2] = bytes[at + 2]! ^ 1
    writeFileSync(file, bytes)
    const { found, bad } = await readAll()
    assert.deepEqual(found, [text(1), text(2), text(4), text(5)])
    assert.equal(bad, 1)
  })
})

describe('a cursor', () => {
  let folder: TestFolder
  beforeEach(() => {
    folder = makeFolder()
  })
  afterEach(() => folder.remove())

  const reopen = async () => {
    const cursor = await Cursor.open(folder.path, 'postgres')
    await cursor.close()
    return cursor
  }

  it('starts at the first record', async () => {
    assert.deepEqual((await reopen()).position, SPOOL_START)
  })

  it('is where it was after its process has ended', async () => {
    const cursor = await Cursor.open(folder.path, 'postgres')
    await cursor.advance({ segment: 1, offset: 100 }, 7)
    await cursor.advance({ segment: 2, offset: 50 }, 3)
    await cursor.close()
    const again = await reopen()
    assert.deepEqual(again.position, { segment: 2, offset: 50 })
    assert.equal(again.records, 10)
  })

  it('falls back to the place before when the last write was torn', async () => {
    const cursor = await Cursor.open(folder.path, 'postgres')
    await cursor.advance({ segment: 1, offset: 100 }, 7)
    await cursor.advance({ segment: 2, offset: 50 }, 3)
    await cursor.close()
    const file = cursorPath(folder.path, 'postgres')
    const bytes = readFileSync(file)
    bytes[9] = bytes[9]! ^ 0xff // the second write went to the first slot
    writeFileSync(file, bytes)
    assert.deepEqual((await reopen()).position, { segment: 1, offset: 100 })
  })

  it('says what survives a power loss only after a sync', async () => {
    const cursor = await Cursor.open(folder.path, 'postgres')
    await cursor.advance({ segment: 3, offset: 9 }, 1)
    assert.deepEqual(cursor.synced, SPOOL_START)
    await cursor.sync()
    assert.deepEqual(cursor.synced, { segment: 3, offset: 9 })
    await cursor.close()
  })
})
