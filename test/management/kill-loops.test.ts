import assert from 'node:assert/strict'
import type { ManagerProcess } from '../support/manager-process.ts'
import { QUICK } from '../support/manager-process.ts'
import { ManagerWorld, type OperationBody, pauseMs, type Snapshot } from '../support/manager-world.ts'
import { START_MS } from '../support/services.ts'

/** `all`: every fault point, and many kills by chance; else some of them. */
const IS_LONG = process.env.SLUICE_TEST_LOOPS === 'all'
const CASE_MS = 120_000

const id = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`

/** From the first state to the second one, and back. Together they create, change and delete, with what goes along. */
const FORTH: readonly OperationBody[] = [
  { action: 'create', kind: 'services', body: { id: id(1), name: 'new', host: 'new.test' } },
  {
    action: 'create',
    kind: 'routes',
    body: { id: id(2), name: 'new', paths: ['/new'], service: { id: id(1) } },
  },
  { action: 'create', kind: 'plugins', body: { id: id(3), name: 'key-auth', service: { id: id(1) } } },
  { action: 'update', kind: 'services', key: 'kept', body: { port: 81, tags: ['b'] } },
  { action: 'delete', kind: 'consumers', key: 'jason' },
]
const BACK: readonly OperationBody[] = [
  { action: 'delete', kind: 'routes', key: 'new' },
  { action: 'delete', kind: 'services', key: 'new' },
  { action: 'update', kind: 'services', key: 'kept', body: { port: 80, tags: ['a'] } },
  { action: 'create', kind: 'consumers', body: { id: id(4), username: 'jason' } },
  { action: 'create', kind: 'key-auths', body: { id: id(5), key: 'jasons-key', consumer: { id: id(4) } } },
]
const START: readonly OperationBody[] = [
  { action: 'create', kind: 'services', body: { name: 'kept', host: 'kept.test', tags: ['a'] } },
  ...BACK.slice(3),
]

/** Evenly spread over (0, 1]. */
const fractions = (count: number): readonly number[] =>
  Array.from({ length: count }, (_, i) => (i + 1) / count)

describe('changes while parts are killed', function () {
  this.timeout(CASE_MS)
  let world: ManagerWorld
  let states: { readonly before: Snapshot; readonly after: Snapshot }
  let isForth = false
  /** How many fault points a change passes, by its direction. */
  let boundaries: { readonly forth: readonly string[]; readonly back: readonly string[] }

  before(async function () {
    this.timeout(START_MS)
    world = await ManagerWorld.start({ ...QUICK, settle: { waitMs: 300, forMs: 3 * QUICK.leaseMs } })
    const first = await world.startManager()
    await world.holder()
    const apply = async (operations: readonly OperationBody[]) => {
      assert.equal((await world.ended(world.submit(first, operations))).state, 'applied')
      return world.snapshot()
    }
    const before = await apply(START)
    const recorded = async (operations: readonly OperationBody[]) => {
      await first.record(true)
      const state = await apply(operations)
      await first.record(false)
      return { state, hits: [...first.hits] }
    }
    const forth = await recorded(FORTH)
    const back = await recorded(BACK)
    assert.deepEqual([...back.state], [...before])
    states = { before, after: forth.state }
    boundaries = { forth: forth.hits, back: back.hits }
    await world.startManager()
  })
  after(async () => {
    this.timeout(START_MS)
    await world?.close()
  })

  /** Makes a change while something happens; it ends whole or undone. */
  const change = async (manager: ManagerProcess, trouble: () => Promise<void>) => {
    const [from, to] = isForth ? [states.after, states.before] : [states.before, states.after]
    const key = world.submit(manager, isForth ? BACK : FORTH)
    await trouble()
    const { state, detail } = await world.ended(key)
    assert.notEqual(state, 'stuck', detail)
    if (state === 'applied') isForth = !isForth
    await world.assertState(state === 'applied' ? to : from, `the change is ${state}: ${detail}`)
    return state
  }
  /** Two managers run, and one of them can write. */
  const refill = async () => {
    while (world.running().length < 2) await world.startManager()
    return world.holder()
  }

  it('are whole or undone, whichever boundary the manager is killed at', async function () {
    this.timeout(CASE_MS * 200)
    const seen = new Map<string, number>()
    let missed = 0
    for (const fraction of fractions(IS_LONG ? 80 : 6)) {
      const manager = await refill()
      const hits = isForth ? boundaries.back : boundaries.forth
      const point = Math.ceil(fraction * hits.length)
      await manager.arm(point, 'SIGKILL')
      const state = String(await change(manager, async () => {}))
      if (manager.isRunning()) {
        // On a busy machine it may have lost the lease before.
        missed++
        await manager.end()
        continue
      }
      const what = `${hits[point - 1]}: ${state === 'undefined' ? 'never written' : state}`
      seen.set(what, (seen.get(what) ?? 0) + 1)
    }
    assert.ok(seen.size > missed, `${missed} kills missed`)
    if (IS_LONG) console.log([...seen].map(([what, count]) => `      ${what} × ${count}`).join('\n'))
  })

  it('are whole or undone when the manager is stopped for three times its lease, and goes on', async function () {
    this.timeout(CASE_MS * 100)
    for (const fraction of fractions(IS_LONG ? 30 : 2)) {
      const manager = await refill()
      const point = Math.ceil(fraction * (isForth ? boundaries.back : boundaries.forth).length)
      await manager.arm(point, 'SIGSTOP')
      await change(manager, async () => {
        await pauseMs(3 * QUICK.leaseMs)
        manager.signal('SIGCONT')
        await manager.arm(0, 'SIGSTOP')
      })
      // What the stopped one still sends is taken back by the other, or was the same.
      await pauseMs(1_000)
      await world.assertState(isForth ? states.after : states.before, `after the stop at ${point}`)
    }
  })

  const troubles: Readonly<Record<string, (manager: ManagerProcess) => Promise<void>>> = {
    PostgreSQL: async () => {
      await world.postgres.kill()
      await world.postgres.restart()
    },
    RabbitMQ: async () => {
      await world.rabbit.kill()
      await world.rabbit.restart()
    },
    Kong: async () => {
      await world.faults.stop()
      await pauseMs(500)
      await world.faults.restart()
    },
    'the manager': manager => manager.end(),
  }
  for (const [name, trouble] of Object.entries(troubles))
    it(`are whole or undone when ${name} is killed at any time`, async function () {
      const rounds = IS_LONG ? 25 : 2
      this.timeout(CASE_MS * rounds)
      for (let round = 0; round < rounds; round++) {
        const manager = await refill()
        const delayMs = Math.random() * 250
        const state = await change(manager, async () => {
          await pauseMs(delayMs)
          await trouble(manager)
        })
        if (IS_LONG) console.log(`      ${name} after ${Math.round(delayMs)} ms: ${state}`)
      }
    })
})
