import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { killFamily } from '../../../../ops/local/processes.ts'
import type { UpState } from '../../../../ops/local/up/state.ts'
import { drainQueue } from '../../../support/queue.ts'
import { until } from '../../../support/until.ts'

/** How often each part is killed; five at most, since a part that ends more often is left alone. */
const ROUNDS = Number(process.env.SLUICE_TEST_PLATFORM_KILLS ?? 1)
/** In the short form those whose end could lose something; all that run in the long one. */
const VICTIMS =
  ROUNDS === 1
    ? ['products', 'rabbit']
    : [
        'products',
        'users',
        'rabbit',
        'postgres',
        'gateway',
        'plugin-server',
        'consul',
        'discovery',
        'redis',
        'manager',
      ]
/** For the test that runs it, milliseconds. */
export const LONG_MS = ROUNDS * 180_000
const CLIENTS = 4
const QUEUE = 'sample.events.all'

export interface Kills {
  readonly created: number
  readonly refused: number
  readonly events: number
  readonly twice: number
  /** From each kill until products were created again, milliseconds. */
  readonly pausesMs: Readonly<Record<string, readonly number[]>>
}

/**
 * Creates products through the gateway while parts of the platform are killed.
 *
 * @throws AssertionError for a product that a client was told of and that is not there, and for one without its event
 */
export async function killUnderLoad(state: () => UpState): Promise<Kills> {
  const proxy = `http://127.0.0.1:${state().ports.proxy}`
  const bearer = await logIn(proxy)
  const name = randomUUID()
  const acknowledged: string[] = []
  let refused = 0
  let over = false
  const client = async () => {
    while (!over) {
      const id = await create(proxy, bearer, name)
      if (id !== undefined) acknowledged.push(id)
      else refused++
      await sleep(id === undefined ? 50 : 5)
    }
  }
  const clients = Array.from({ length: CLIENTS }, client)
  const pausesMs: Record<string, number[]> = {}
  try {
    for (let round = 0; round < ROUNDS; round++)
      for (const victim of VICTIMS) {
        const grown = acknowledged.length + 20
        await until(`products are created before ${victim} is killed`, () => acknowledged.length > grown)
        const ms = await killOne(state, victim, () => acknowledged.length)
        pausesMs[victim] = [...(pausesMs[victim] ?? []), Math.round(ms)]
      }
  } finally {
    over = true
    await Promise.all(clients)
  }
  const { events, twice } = await compare(state().urls, name, acknowledged)
  return { created: acknowledged.length, refused, events, twice, pausesMs }
}

/** @returns how long it took until twenty more products were created */
async function killOne(state: () => UpState, victim: string, created: () => number): Promise<number> {
  const processOf = () => state().components.find(({ name }) => name === victim)?.process
  const before = processOf()
  assert.ok(before, `${victim} does not run`)
  await killFamily(before.pid)
  const began = performance.now()
  const grown = created() + 20
  await until(`products are created after ${victim} was killed`, () => created() > grown, { waitMs: 120_000 })
  const ms = performance.now() - began
  await until(`${victim} runs again`, () => processOf() !== undefined && processOf()?.pid !== before.pid)
  return ms
}

const JSON_TYPE = { 'content-type': 'application/json' }

async function logIn(proxy: string): Promise<string> {
  const account = { email: `${randomUUID()}@example.org`, password: 'correct horse battery' }
  const post = (path: string, body: object) =>
    fetch(`${proxy}${path}`, { method: 'POST', headers: JSON_TYPE, body: JSON.stringify(body) })
  assert.equal((await post('/users', { ...account, name: 'Ada' })).status, 201)
  const { access_token: token } = (await (await post('/users/login', account)).json()) as {
    access_token: string
  }
  return token
}

async function create(proxy: string, bearer: string, name: string): Promise<string | undefined> {
  try {
    const answer = await fetch(`${proxy}/products`, {
      method: 'POST',
      headers: { ...JSON_TYPE, authorization: `Bearer ${bearer}` },
      body: JSON.stringify({ name, price_cents: 1 }),
      signal: AbortSignal.timeout(15_000),
    })
    const body = (await answer.json()) as { id: string }
    return answer.status === 201 ? body.id : undefined
  } catch {
    return undefined
  }
}

async function compare(urls: UpState['urls'], name: string, acknowledged: readonly string[]) {
  const database = new pg.Client({ connectionString: urls.postgres! })
  await database.connect()
  try {
    await until('the outbox is empty', async () => {
      const { rows } = await database.query('select count(*) as n from products.outbox')
      return Number(rows[0].n) === 0
    })
    const query = 'select id from products.products where name = $1'
    const kept = new Set((await database.query(query, [name])).rows.map(({ id }) => id as string))
    const events = (await drainQueue(urls.rabbit!, QUEUE))
      .map(
        message =>
          JSON.parse(message.content.toString()) as { id: string; data: { id: string; name: string } },
      )
      .filter(({ data }) => data.name === name)
    const told = new Set(events.map(({ data }) => data.id))
    const missing = (ids: Iterable<string>, where: ReadonlySet<string>) =>
      [...ids].filter(id => !where.has(id))
    assert.deepEqual(missing(acknowledged, kept), [], 'a client was told of products that are not there')
    assert.deepEqual(missing(kept, told), [], 'products without an event')
    assert.deepEqual(missing(told, kept), [], 'events without a product')
    const twice = events.length - new Set(events.map(({ id }) => id)).size
    assert.equal(new Set(events.map(({ id }) => id)).size, told.size, 'what comes twice has one id')
    return { events: events.length, twice }
  } finally {
    await database.end()
  }
}
