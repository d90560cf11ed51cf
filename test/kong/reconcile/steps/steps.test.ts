import assert from 'node:assert/strict'
import { AdminClient } from '../../../../kong/admin/client.ts'
import type { Plan } from '../../../../kong/reconcile/plan.ts'
import { type ExecuteOptions, execute, type RunParts } from '../../../../kong/reconcile/steps/execute.ts'
import { createImages } from '../../../../kong/reconcile/steps/images.ts'
import { reverse, schedule } from '../../../../kong/reconcile/steps/schedule.ts'
import type { Journal, Step, StepRecord } from '../../../../kong/reconcile/steps/steps.ts'
import { undo } from '../../../../kong/reconcile/steps/undo.ts'
import { type RunningAdmin, startAdminServer } from '../../../support/admin-server.ts'
import { type FaultyAdmin, startFaultyAdmin } from '../../../support/faulty-admin.ts'
import { planText, quickRetry } from '../../../support/reconcile.ts'

const STATE = `_format_version: "3.0"
services:
- { name: s, host: h, routes: [{ name: r, paths: [/a] }] }
`
const OPTIONS: ExecuteOptions = { concurrency: 1, retryForMs: 0, settle: { waitMs: 1, forMs: 2 } }

describe('the executor of steps', () => {
  let admin: RunningAdmin
  let faults: FaultyAdmin
  let client: AdminClient
  beforeEach(async () => {
    admin = await startAdminServer()
    faults = await startFaultyAdmin(admin.url)
    client = new AdminClient({ url: faults.url })
  })
  afterEach(async () => {
    await client.close()
    await faults.close()
    await admin.close()
    assert.deepEqual(admin.errors, [])
  })

  const partsWith = (plan: Plan, journal: Journal): RunParts => ({
    kong: client,
    journal,
    images: createImages(plan.current.schemas),
    retry: quickRetry,
  })

  it('records that a step has begun before Kong is asked, and its answer after', async () => {
    const plan = await planText(client, STATE)
    const happened: string[] = []
    faults.decide = method => {
      if (method !== 'GET') happened.push(method)
      return 'pass'
    }
    const rows: unknown[] = []
    const journal = {
      async record(step: Step, { state, row }: StepRecord) {
        // Nothing may be sent while the transition is being stored.
        await new Promise(resolve => setTimeout(resolve, 5))
        happened.push(`${step.change.label} ${state}`)
        if (row) rows.push(row.name)
      },
    }
    const run = await execute(plan.steps, OPTIONS, partsWith(plan, journal))
    assert.deepEqual([run.failure, run.isInterrupted], [undefined, false])
    assert.deepEqual(happened, [
      'service s begun',
      'PUT',
      'service s done',
      'route r (service s) begun',
      'PUT',
      'route r (service s) done',
    ])
    assert.deepEqual(rows, ['s', 'r'])
  })

  it('tells what Kong refused from what nobody knows', async () => {
    const plan = await planText(client, STATE)
    const states: string[] = []
    const journal = { record: async (_step: Step, { state }: StepRecord) => void states.push(state) }
    faults.decide = method => (method === 'PUT' ? { status: 400, body: { message: 'no' } } : 'pass')
    assert.ok((await execute(plan.steps, OPTIONS, partsWith(plan, journal))).failure)
    faults.decide = method => (method === 'PUT' ? { status: 500, body: {} } : 'pass')
    assert.ok((await execute(plan.steps, OPTIONS, partsWith(plan, journal))).failure)
    faults.decide = method => (method === 'PUT' ? 'lose-answer' : 'pass')
    assert.ok((await execute(plan.steps, OPTIONS, partsWith(plan, journal))).failure)
    assert.deepEqual(states, ['begun', 'failed', 'begun', 'unknown', 'begun', 'unknown'])
  })

  it('does not count a refused connection as unknown: nothing was sent', async () => {
    const plan = await planText(client, STATE)
    const states: string[] = []
    const journal = { record: async (_step: Step, { state }: StepRecord) => void states.push(state) }
    await faults.stop()
    const fresh = new AdminClient({ url: faults.url })
    await execute(plan.steps, OPTIONS, { ...partsWith(plan, journal), kong: fresh })
    await fresh.close()
    assert.deepEqual(states, ['begun', 'failed'])
  })

  it('ends without another request when the journal rejects', async () => {
    const plan = await planText(client, STATE)
    let writes = 0
    faults.decide = method => {
      if (method !== 'GET') writes++
      return 'pass'
    }
    const journal = {
      async record(_step: Step, { state }: StepRecord) {
        if (state === 'done') throw new Error('the lease is lost')
      },
    }
    const run = execute(plan.steps, { ...OPTIONS, concurrency: 4 }, partsWith(plan, journal))
    await assert.rejects(run, { message: 'the lease is lost' })
    assert.equal(writes, 1)
  })

  it('undoes in another process, from what was stored as JSON, also what had only begun', async () => {
    const plan = await planText(client, STATE)
    const stored = new Map<number, string>()
    const journal = {
      async record(step: Step, record: StepRecord) {
        stored.set(step.seq, JSON.stringify(record))
        // The process dies after Kong was asked for the route, before its answer is stored.
        if (step.seq === 1 && record.state === 'done') {
          stored.set(1, JSON.stringify({ state: 'begun', isUncertain: false }))
          throw new Error('killed')
        }
      },
    }
    await assert.rejects(execute(plan.steps, OPTIONS, partsWith(plan, journal)), { message: 'killed' })
    assert.equal((await client.list('/routes'))?.length, 1)
    const steps = JSON.parse(JSON.stringify(plan.steps)) as readonly Step[]
    const records = new Map([...stored].map(([seq, text]) => [seq, JSON.parse(text) as StepRecord]))
    const states: string[] = []
    const quiet = {
      record: async (step: Step, { state }: StepRecord) => void states.push(`${step.seq} ${state}`),
    }
    const leftovers = await undo(steps, records, OPTIONS, partsWith(plan, quiet))
    assert.deepEqual(leftovers, [])
    assert.deepEqual(states, ['1 undoing', '1 undone', '0 undoing', '0 undone'])
    assert.deepEqual(await client.list('/services'), [])
  })

  it('names what it could not undo, and undoes the rest', async () => {
    const plan = await planText(client, STATE)
    const journal = { record: async () => {} }
    const run = await execute(plan.steps, OPTIONS, partsWith(plan, journal))
    faults.decide = (method, path) =>
      method === 'DELETE' && path.startsWith('/routes') ? { status: 403, body: { message: 'no' } } : 'pass'
    const leftovers = await undo(plan.steps, run.records, OPTIONS, partsWith(plan, journal))
    assert.deepEqual(
      leftovers.map(({ change, reason }) => [change.label, reason.replace(/\/routes\/\S+:/, '…')]),
      [
        ['route r (service s)', 'DELETE … 403 no'],
        ['service s', leftovers[1]?.reason],
      ],
    )
    // Kong keeps a service that a route refers to.
    assert.match(leftovers[1]!.reason, /400 an existing 'routes' entity references this 'services' entity/)
  })

  it('ends the undoing where Kong is away, so that another attempt does all when it is back', async () => {
    const names = Array.from({ length: 30 }, (_, i) => `{ username: c${i} }`)
    const plan = await planText(client, `_format_version: "3.0"\nconsumers: [${names.join(', ')}]\n`)
    const journal = { record: async () => {} }
    const run = await execute(plan.steps, { ...OPTIONS, concurrency: 4 }, partsWith(plan, journal))
    let requests = 0
    faults.decide = () => {
      requests++
      return 'lose-request'
    }
    const options = { ...OPTIONS, concurrency: 4, endsWhenAway: true }
    const leftovers = await undo(plan.steps, run.records, options, partsWith(plan, journal))
    assert.equal(leftovers.length, 30)
    assert.ok(leftovers.every(({ isTransient }) => isTransient))
    // As many as are under way when the fourth gets no answer.
    assert.ok(requests >= 4 && requests < 8, String(requests))
    faults.decide = () => 'pass'
    assert.deepEqual(await undo(plan.steps, run.records, options, partsWith(plan, journal)), [])
    assert.deepEqual(await client.list('/consumers'), [])
  })

  it('does not end the undoing where single requests get no answer', async () => {
    const names = Array.from({ length: 30 }, (_, i) => `{ username: c${i} }`)
    const plan = await planText(client, `_format_version: "3.0"\nconsumers: [${names.join(', ')}]\n`)
    const journal = { record: async () => {} }
    const run = await execute(plan.steps, { ...OPTIONS, concurrency: 4 }, partsWith(plan, journal))
    const asked = new Set<string>()
    faults.decide = (method, path, n) => {
      if (method === 'DELETE') asked.add(path)
      return n > 0 && n % 3 === 0 ? 'lose-request' : 'pass'
    }
    const options = { ...OPTIONS, concurrency: 4, endsWhenAway: true }
    await undo(plan.steps, run.records, options, partsWith(plan, journal))
    assert.equal(asked.size, 30)
  })
})

describe('a schedule', () => {
  const options = { concurrency: 8, isStopped: () => false }

  it('starts a step when all that it waits for have ended', async () => {
    const order: number[] = []
    const steps = [
      { seq: 0, after: [] },
      { seq: 1, after: [0] },
      { seq: 2, after: [0] },
      { seq: 3, after: [1, 2] },
    ]
    await schedule(steps, options, async ({ seq }) => {
      await new Promise(resolve => setImmediate(resolve))
      order.push(seq)
    })
    assert.deepEqual([order[0], order.at(-1), order.length], [0, 3, 4])
  })

  it('lets what has started end when one fails, and starts nothing more', async () => {
    const ended: number[] = []
    const steps = [0, 1, 2].map(seq => ({ seq, after: seq === 2 ? [1] : [] }))
    const work = async ({ seq }: { seq: number }) => {
      if (seq === 0) throw new Error('first')
      await new Promise(resolve => setImmediate(resolve))
      ended.push(seq)
    }
    await assert.rejects(schedule(steps, options, work), { message: 'first' })
    assert.deepEqual(ended, [1])
  })

  it('runs the other way round when it is reversed', () => {
    const change = {} as Step['change']
    const steps: Step[] = [
      { seq: 0, stage: 0, after: [], change },
      { seq: 1, stage: 0, after: [0], change },
      { seq: 2, stage: 1, after: [0, 1], change },
    ]
    assert.deepEqual(
      reverse(steps).map(({ seq, after }) => [seq, after]),
      [
        [2, []],
        [1, [2]],
        [0, [1, 2]],
      ],
    )
  })
})
