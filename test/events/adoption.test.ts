import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { Adoption } from '../../events/adoption.ts'
import { Relay } from '../../events/relay.ts'
import type { SinkRecord } from '../../events/sink.ts'
import { claimSpool, listSpools } from '../../events/spool/claim.ts'
import { Cursor, cursorPath } from '../../events/spool/cursor.ts'
import { encodeRecord } from '../../events/spool/record.ts'
import { segmentPath } from '../../events/spool/segment.ts'
import { Spool } from '../../events/spool/spool.ts'
import { systemClock } from '../../foundation/clock.ts'
import { createLogger, type Logger } from '../../foundation/log.ts'
import type { EventDraft } from '../../sdk/event.ts'
import { makeFolder, type TestFolder } from '../support/folder.ts'
import { holdTimers } from '../support/held-timers.ts'
import { until } from '../support/until.ts'

const OWN = 'f'.repeat(16)
const writerOf = (n: number) => String(n).repeat(16)

describe('the adoption of spools', () => {
  let folder: TestFolder
  let relay: Relay
  let stored: SinkRecord[]
  let published: EventDraft[]
  let faults: unknown[]
  let adoption: Adoption
  let log: Logger

  beforeEach(() => {
    folder = makeFolder()
    stored = []
    published = []
    faults = []
    log = createLogger('silent')
    log.error = (about: unknown) => void faults.push(about)
    relay = relayTo('test', async records => void stored.push(...records))
    adoption = adoptionFor([relay])
  })
  afterEach(async () => {
    await relay.close()
    folder.remove()
  })

  function relayTo(name: string, take: (records: readonly SinkRecord[]) => Promise<void>): Relay {
    const made = new Relay({
      sink: { name, store: records => take(records).then(() => ({ refused: 0 })), async close() {} },
      timers: holdTimers(),
      clock: systemClock,
      random: () => 0,
      log,
      metrics: { confirmed() {}, retried() {}, refused() {} },
      onCorrupt: () => assert.fail('nothing is damaged'),
    })
    made.start()
    return made
  }

  const adoptionFor = (relays: readonly Relay[]) =>
    new Adoption({
      spoolDir: folder.path,
      writer: OWN,
      relays,
      log,
      publish: draft => void published.push(draft),
    })

  /** The spool of a process that is gone, with one event. */
  async function abandon(n: number): Promise<string> {
    const own = path.join(folder.path, writerOf(n))
    mkdirSync(own)
    // What a crash leaves of the lock.
    writeFileSync(path.join(folder.path, `${writerOf(n)}.lock`), '')
    const spool = await Spool.create({ folder: own, clock: systemClock, lateMs: 100_000 })
    const event = {
      id: `e${n}`,
      type: 't',
      time: '2026-01-01T00:00:00.000Z',
      writer: writerOf(n),
      sequence: 1,
    }
    await spool.append(encodeRecord(JSON.stringify(event)))
    await spool.close()
    return own
  }
  const ids = () => stored.map(({ id }) => id).sort()

  it('goes on with the others where one of them cannot be taken over, and tries that one again', async () => {
    for (const n of [1, 2, 3]) await abandon(n)
    // Whatever stands in its way: it cannot be renamed to this.
    const blocked = path.join(folder.path, `${writerOf(2)}.by-${OWN}`)
    mkdirSync(blocked)
    writeFileSync(path.join(blocked, 'something'), '')
    await adoption.takeOver()
    await until('the others are sent on', () => stored.length === 2)
    assert.deepEqual(ids(), ['e1', 'e3'])
    assert.equal(faults.length, 1)
    rmSync(blocked, { recursive: true })
    await adoption.takeOver()
    await until('it is sent on, too', () => stored.length === 3)
    assert.deepEqual(ids(), ['e1', 'e2', 'e3'])
    await until('all are removed', () => readdirSync(folder.path).length === 0)
    assert.equal(adoption.bytes, 0)
    await adoption.takeOver()
    assert.deepEqual([faults.length, published.length], [1, 3])
  })

  it('finds one that its process could not make, and that nobody holds', async () => {
    await abandon(1)
    await assert.rejects(claimSpool(folder.path, writerOf(1)), { code: 'SLUICE_SPOOL_FAILED' })
    await adoption.takeOver()
    await until('it is sent on', () => stored.length === 1)
    await until('it is removed', () => readdirSync(folder.path).length === 0)
  })

  it('keeps one until every sink has it', async () => {
    await abandon(1)
    let release = () => {}
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    const late: SinkRecord[] = []
    const slow = relayTo('slow', async records => {
      await held
      late.push(...records)
    })
    const both = adoptionFor([relay, slow])
    await both.takeOver()
    await until('the quick one has it', () => stored.length === 1 && relay.idle)
    assert.equal(both.backlog('test').records, 0)
    assert.equal(both.backlog('slow').records, 1)
    assert.ok(existsSync(path.join(folder.path, `${writerOf(1)}.by-${OWN}`)))
    release()
    await until('it is removed', () => readdirSync(folder.path).length === 0)
    assert.equal(late.length, 1)
    await slow.close()
  })

  it('counts those that nobody can send on, and none of a living process', async () => {
    await abandon(1)
    const { size } = statSync(segmentPath(path.join(folder.path, writerOf(1)), 1))
    const claim = await claimSpool(folder.path, writerOf(2))
    const living = await Spool.create({ folder: claim.folder, clock: systemClock })
    const none = adoptionFor([])
    await none.takeOver()
    assert.equal(none.bytes, size)
    await living.close()
    await claim.release()
  })

  it('leaves one alone whose owner cannot be asked', async () => {
    await abandon(1)
    const lock = path.join(folder.path, `${writerOf(1)}.lock`)
    rmSync(lock)
    // A link to itself: nobody knows what listens there.
    symlinkSync(lock, lock)
    await adoption.takeOver()
    assert.ok(existsSync(path.join(folder.path, writerOf(1))))
    rmSync(lock)
    await adoption.takeOver()
    await until('it is sent on', () => stored.length === 1)
  })

  it('shows a spool that was taken over as that of its heir', async () => {
    await abandon(1)
    renameSync(
      path.join(folder.path, writerOf(1)),
      path.join(folder.path, `${writerOf(1)}.by-${writerOf(2)}`),
    )
    const isAlive = async () =>
      (await listSpools(folder.path)).find(({ writer }) => writer === writerOf(1))?.alive
    assert.equal(await isAlive(), false)
    const heir = await claimSpool(folder.path, writerOf(2))
    assert.equal(await isAlive(), true)
    await heir.release()
    assert.equal(await isAlive(), false)
  })

  it('finds spools that nobody else may read', async () => {
    const spoolDir = path.join(folder.path, 'spool')
    const claim = await claimSpool(spoolDir, writerOf(1))
    const spool = await Spool.create({ folder: claim.folder, clock: systemClock })
    await (await Cursor.open(claim.folder, 'test')).close()
    const modeOf = (file: string) => statSync(file).mode & 0o777
    assert.deepEqual([spoolDir, claim.folder].map(modeOf), [0o700, 0o700])
    const files = [segmentPath(claim.folder, 1), cursorPath(claim.folder, 'test')]
    assert.deepEqual(files.map(modeOf), [0o600, 0o600])
    await spool.close()
    await claim.release()
  })

  it('tries one again that it has taken over and could not read', async () => {
    await abandon(1)
    const segment = segmentPath(path.join(folder.path, writerOf(1)), 1)
    const away = path.join(folder.path, 'away')
    // A file that can't be read, whoever runs this: a folder in its place.
    renameSync(segment, away)
    mkdirSync(segment)
    await adoption.takeOver()
    assert.deepEqual([stored.length, faults.length, published.length], [0, 1, 0])
    const taken = segmentPath(path.join(folder.path, `${writerOf(1)}.by-${OWN}`), 1)
    rmSync(taken, { recursive: true })
    renameSync(away, taken)
    await adoption.takeOver()
    await until('it is sent on', () => stored.length === 1)
    assert.deepEqual(ids(), ['e1'])
    assert.equal(published.length, 1)
    await until('it is removed', () => readdirSync(folder.path).length === 0)
  })
})
