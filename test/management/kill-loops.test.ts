import assert from 'node:assert/strict'
import type { ManagerProcess } from '../support/manager-process.ts'
import { QUICK } from '../support/manager-process.ts'
import { ManagerWorld, type OperationBody, pauseMs, type Snapshot } from '../support/manager-world.ts'
import { START_MS } from '../support/services.ts'
import { until } from '../support/until.ts'

/** Kills at fault points, spread over a change; 80 by hand: SLUICE_TEST_LOOPS=80. Others are fewer in proportion. */
const LOOPS = Number(process.env.SLUICE_TEST_LOOPS ?? 2)
const IS_LONG = LOOPS > 10
const STOPS = Math.ceil(LOOPS / 3)
/** At random times, of each part. */
const ROUNDS = Math.ceil(LOOPS / 4)
const IS_REAL_KONG = process.env.SLUICE_TEST_KONG_CONTROL !== undefined
const CASE_MS = 120_000
/** How long a manager is stopped. Late writes are looked for at least as long. */
const STOP_MS = (IS_LONG ? 3 : 1.2) * QUICK.leaseMs
/** On a busy machine a manager may lose the lease before it comes to the fault point. */
const TRIES = 10

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

const createdPath = ({ action, kind, body }: OperationBody) =>
  action === 'create' ? [`/${String(kind)}/${(body as { id: string }).id}`] : []

/** Evenly spread over (0, 1]. */
const fractions = (count: number): readonly number[] =>
  Array.from({ length: count }, (_, i) => (i + 1) / count)

describe('changes while parts are killed', function () {
  this.timeout(CASE_MS)
  let world: ManagerWorld
  let states: { readonly before: Snapshot; readonly after: Snapshot }
  let isForth = false
  /** Fault points that a change passes, by its direction. */
  const boundaries = { forth: 0, back: 0 }
  /** How long a change takes here. */
  let changeMs = 0
  const direction = () => (isForth ? 'back' : 'forth')

  before(async function () {
    this.timeout(START_MS)
    world = await ManagerWorld.start({ ...QUICK, settle: { waitMs: 300, forMs: STOP_MS } })
    const first = await world.startManager()
    await world.holder()
    // One for which Kong was too slow on a busy machine has done nothing, and is made again.
    const apply = async (operations: readonly OperationBody[]) => {
      await until(
        'a change is applied',
        async () => {
          await first.record(true)
          const sentAtMs = performance.now()
          const { state, detail } = await world.ended(world.submit(first, operations))
          if (state !== 'applied') throw new Error(`${state}: ${detail}`)
          changeMs = performance.now() - sentAtMs
          return true
        },
        { waitMs: 110_000 },
      )
      return world.snapshot()
    }
    const before = await apply(START)
    const after = await apply(FORTH)
    boundaries.forth = first.hits.length
    assert.deepEqual([...(await apply(BACK))], [...before])
    boundaries.back = first.hits.length
    await first.record(false)
    states = { before, after }
    await world.startManager()
  })
  after(async function () {
    this.timeout(START_MS)
    await world?.close()
  })

  /** Makes a change while something happens; it ends whole or undone. */
  const change = async (manager: ManagerProcess, trouble: () => Promise<void> = async () => {}) => {
    const [from, to] = isForth ? [states.after, states.before] : [states.before, states.after]
    const operations = isForth ? BACK : FORTH
    const creations: string[] = []
    world.kong.faults.decide = (method, path) => {
      if (method === 'PUT') creations.push(path)
      return 'pass'
    }
    const key = world.submit(manager, operations)
    await trouble()
    const { state, detail } = await world.ended(key)
    assert.notEqual(state, 'stuck', detail)
    // Undoing creates only what the change deletes.
    for (const path of operations.flatMap(createdPath))
      assert.ok(creations.filter(one => one === path).length <= 1, `${path} was created twice`)
    if (state === 'applied') isForth = !isForth
    await world.assertState(state === 'applied' ? to : from, `the change is ${state}: ${detail}`)
    return state
  }
  /** Two managers run, and one of them can write. */
  const refill = async () => {
    while (world.running().length < 2) await world.startManager()
    return world.holder()
  }

  /** Makes changes until the manager gets the signal in one of them. @returns where, and what became of it */
  const changeWithSignal = async (
    fraction: number,
    signal: NodeJS.Signals,
    trouble?: (manager: ManagerProcess) => Promise<void>,
  ) => {
    for (let i = 0; i < TRIES; i++) {
      const manager = await refill()
      const way = direction()
      await manager.record(true)
      await manager.arm(Math.ceil(fraction * boundaries[way]), signal)
      const state = await change(manager, trouble && (() => trouble(manager)))
      if (manager.signalledAt !== undefined) return `${manager.signalledAt}: ${state ?? 'never written'}`
      assert.ok(manager.isRunning(), 'a manager ended by itself')
      await manager.arm(0, signal)
      // It may pass fewer of them than before, now that it knows Kong's schemas.
      if (state === 'applied') boundaries[way] = Math.min(boundaries[way], manager.hits.length)
    }
    return assert.fail(`no manager got the signal at ${fraction} of its fault points in ${TRIES} changes`)
  }
  const report = (seen: readonly string[]) => {
    const counts = new Map<string, number>()
    for (const what of seen) counts.set(what, (counts.get(what) ?? 0) + 1)
    if (IS_LONG) console.log([...counts].map(([what, count]) => `      ${what} × ${count}`).join('\n'))
  }

  it('are whole or undone, whichever boundary the manager is killed at', async function () {
    this.timeout(CASE_MS * 200)
    const seen: string[] = []
    for (const fraction of fractions(LOOPS)) seen.push(await changeWithSignal(fraction, 'SIGKILL'))
    report(seen)
  })

  it('are whole or undone when the manager is stopped for longer than its lease, and goes on', async function () {
    this.timeout(CASE_MS * 100)
    const seen: string[] = []
    for (const fraction of fractions(STOPS)) {
      const what = await changeWithSignal(IS_LONG ? fraction : 0.6, 'SIGSTOP', async manager => {
        await pauseMs(STOP_MS)
        manager.signal('SIGCONT')
        await manager.arm(0, 'SIGSTOP')
      })
      seen.push(what)
      // What the stopped one still sends is taken back by the other, or was the same.
      await pauseMs(1_000)
      await world.assertState(isForth ? states.after : states.before, `after the stop at ${what}`)
    }
    report(seen)
  })

  const killPostgres = async () => {
    await world.postgres.kill()
    await world.postgres.restart()
  }
  const killRabbit = async () => {
    await world.rabbit.kill()
    await world.rabbit.restart()
  }
  const killKong = async () => {
    await world.kong.kill()
    await pauseMs(500)
    await world.kong.restart()
  }
  type Trouble = (manager: ManagerProcess) => Promise<unknown>
  const each: Readonly<Record<string, Trouble>> = {
    PostgreSQL: killPostgres,
    RabbitMQ: killRabbit,
    Kong: killKong,
    'the manager': manager => manager.end(),
    ...(IS_REAL_KONG && { 'PostgreSQL of Kong': () => world.kong.restartDatabase() }),
  }
  const atOnce: Readonly<Record<string, Trouble>> = {
    'the manager with all of these': manager =>
      Promise.all([manager.end(), killPostgres(), killRabbit(), killKong()]),
  }
  for (const [name, trouble] of Object.entries(IS_LONG ? { ...each, ...atOnce } : atOnce))
    it(`are whole or undone when ${name} is killed at any time`, async function () {
      const rounds = IS_LONG ? ROUNDS : 1
      this.timeout(CASE_MS * rounds)
      for (let round = 0; round < rounds; round++) {
        const manager = await refill()
        const delayMs = Math.random() * changeMs
        const state = await change(manager, async () => {
          await pauseMs(delayMs)
          await trouble(manager)
        })
        if (IS_LONG) console.log(`      ${name} after ${Math.round(delayMs)} ms: ${state}`)
      }
    })
})
