import assert from 'node:assert/strict'
import { createLogger } from '../../foundation/log.ts'
import { systemTimers } from '../../foundation/timers.ts'
import { Database } from '../../management/database.ts'
import { Upkeep } from '../../management/upkeep.ts'
import { START_MS, sharedPostgres } from '../support/services.ts'

describe('the upkeep of the history', () => {
  let database: Database
  let upkeep: Upkeep
  before(async function () {
    this.timeout(START_MS)
    const log = createLogger('silent')
    database = new Database(await (await sharedPostgres()).createDatabase(), log)
    await database.migrate()
    upkeep = new Upkeep({ database, log, timers: systemTimers })
    await upkeep.makePartitions()
  })
  after(async () => {
    upkeep?.close()
    await database?.close()
  })

  const add = async (id: number, state: string, endedDaysAgo: number, createdDaysAgo = 0) => {
    const uuid = `00000000-0000-4000-8000-${String(id).padStart(12, '0')}`
    await database.query(
      `insert into sluice_manager.changes (id, created_at, state, actor, origin, request, ended_at)
       values ($1, now() - $2 * interval '1 day', $3, 'ada', 'test', 'x', now() - $4 * interval '1 day')`,
      [uuid, createdDaysAgo, state, endedDaysAgo],
    )
    await database.query(
      `insert into sluice_manager.steps (created_at, change_id, seq, stage, after, action, kind, entity_id, label, fields, shown, images)
       select created_at, id, 0, 0, '{}', 'create', 'services', id, 'x', '{}', '{}', 'x' from sluice_manager.changes where id = $1`,
      [uuid],
    )
  }
  const kept = async () =>
    (
      await database.query<{ text: string }>(
        `select right(c.id::text, 1) || ' ' || (c.request is not null)::text || ' ' || (s.images is not null)::text as text
           from sluice_manager.changes c join sluice_manager.steps s on s.change_id = c.id order by c.id`,
      )
    ).rows.map(({ text }) => text)
  const partitions = async () =>
    (
      await database.query<{ name: string }>(
        `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'sluice_manager.changes'::regclass order by 1`,
      )
    ).rows.map(({ name }) => name)

  it('erases images 30 days after the end, but not of what is stuck', async () => {
    await add(1, 'applied', 29)
    await add(2, 'applied', 31)
    await add(3, 'stuck', 31)
    await add(4, 'undone', 31)
    await upkeep.run()
    assert.deepEqual(await kept(), ['1 true true', '2 false false', '3 true true', '4 false false'])
  })

  it('makes the months to come, and drops those that are older than 400 days', async () => {
    const before = await partitions()
    assert.equal(before.length, 3)
    for (const table of ['changes', 'steps'])
      for (const [month, next] of [
        ['202401', '202402'],
        ['202402', '202403'],
      ])
        await database.query(
          `create table sluice_manager.${table}_${month} partition of sluice_manager.${table}
             for values from ('${month?.slice(0, 4)}-${month?.slice(4)}-01') to ('${next?.slice(0, 4)}-${next?.slice(4)}-01')`,
        )
    await upkeep.run()
    assert.deepEqual(await partitions(), before)
  })

  it('forgets idempotency keys after a day', async () => {
    await database.query(
      `insert into sluice_manager.idempotency_keys (operator_id, key, digest, change_id, created_at)
       select gen_random_uuid(), key, 'x', gen_random_uuid(), now() - age::interval
         from (values ('old', '25 hours'), ('new', '23 hours')) as given (key, age)`,
    )
    await upkeep.run()
    const { rows } = await database.query<{ key: string }>('select key from sluice_manager.idempotency_keys')
    assert.deepEqual(rows, [{ key: 'new' }])
  })
})
