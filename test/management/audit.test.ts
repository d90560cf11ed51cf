import assert from 'node:assert/strict'
import pg from 'pg'
import { migrate } from '../../events/postgres/migrate.ts'
import { Partitions } from '../../events/postgres/partitions.ts'
import { type RunningManager, startTestManager } from '../support/manager.ts'
import { START_MS, sharedPostgres } from '../support/services.ts'

const COUNT = 250

/** One a second, back from now, by five consumers; every tenth is refused. */
const FILL = `
  insert into gateway_events (time, id, type, subject, node, writer, sequence, chain, data)
  select date_trunc('milliseconds', now()) - (n / 2 * interval '1 second'), gen_random_uuid(),
         case when n % 10 = 0 then 'key-auth.denied.v1' else 'key-auth.granted.v1' end, 'x', 'node', 'w', n, '\\x00',
         jsonb_build_object('consumer_username', 'consumer-' || n % 5, 'consumer_id', 'id-' || n % 5,
           'outcome', case when n % 10 = 0 then 'denied' else 'granted' end, 'reason', 'invalid',
           'key_fingerprint', 'f' || n % 5, 'client_ip', '203.0.113.' || n % 3, 'n', n)
    from generate_series(1, ${COUNT}) n`

describe("the manager's audit", function () {
  this.timeout(60_000)
  let manager: RunningManager
  let client: pg.Client

  before(async function () {
    this.timeout(START_MS)
    const url = await (await sharedPostgres()).createDatabase()
    client = new pg.Client({ connectionString: url })
    await client.connect()
    manager = await startTestManager({
      SLUICE_ADMIN_URL: 'http://127.0.0.1:9',
      SLUICE_MANAGER_POSTGRES_URL: url,
      SLUICE_POSTGRES_URL: url,
      SLUICE_FINGERPRINT_SECRET: 'a secret for fingerprints of tests',
    })
  })
  after(async () => {
    await manager?.close()
    await client?.end()
  })

  const ask = (query = '') =>
    manager.call('GET', `/v1/audit${query}`, undefined, { token: manager.tokens.viewer })

  it('has no answer before the first event', async () => {
    assert.deepEqual((await ask()).body, { data: [], next: null })
  })

  it('pages through all of it, the newest first, each once', async () => {
    await migrate(client)
    const now = Date.now()
    await new Partitions().ensure(
      client,
      [new Date(now - 3_600_000).toISOString(), new Date(now).toISOString()],
      now,
    )
    await client.query(FILL)
    const found: number[] = []
    let cursor = ''
    for (let page = 0; page < 10; page++) {
      const { status, body, text } = await ask(`?size=40${cursor}`)
      assert.equal(status, 200, text)
      found.push(...body.data.map(({ n }: { n: number }) => n))
      if (body.next === null) break
      cursor = `&cursor=${body.next}`
    }
    assert.equal(found.length, COUNT)
    assert.equal(new Set(found).size, COUNT)
    // Two share each time.
    const seconds = found.map(n => Math.floor(n / 2))
    assert.deepEqual(
      seconds,
      seconds.toSorted((a, b) => a - b),
    )
  })

  it('answers by consumer, outcome, fingerprint, address and time', async () => {
    const all = (rows: { [field: string]: unknown }[], field: string) => [
      ...new Set(rows.map(row => row[field])),
    ]
    for (const name of ['consumer-3', 'id-3']) {
      const { body } = await ask(`?consumer=${name}&size=1000`)
      assert.deepEqual([body.data.length, all(body.data, 'consumer_username')], [50, ['consumer-3']])
    }
    const denied = await ask('?outcome=denied&size=1000')
    assert.deepEqual([denied.body.data.length, all(denied.body.data, 'outcome')], [25, ['denied']])
    const keys = await ask('?fingerprint=f1&fingerprint=f2&size=1000')
    assert.deepEqual(all(keys.body.data, 'key_fingerprint').sort(), ['f1', 'f2'])
    const address = await ask('?address=203.0.113.1&outcome=denied&reason=invalid')
    assert.deepEqual(all(address.body.data, 'client_ip'), ['203.0.113.1'])
    const recent = await ask('?since=100s&size=1000')
    assert.ok(recent.body.data.length > 0 && recent.body.data.length < COUNT)
    const until = new Date(Date.now() - 60_000).toISOString()
    const old = await ask(`?since=1h&until=${until}&size=1000`)
    assert.ok(old.body.data.every(({ time }: { time: string }) => time < until))
    for (const time of ['999999w', '0001-01-01', '9999-12-31T23:59:59Z']) {
      const { status, text } = await ask(`?since=${time}&until=${time}&size=1`)
      assert.equal(status, 200, `${time}: ${text}`)
    }
    const [first] = denied.body.data
    assert.deepEqual([typeof first.id, first.node], ['string', 'node'])
  })

  it('tells what is wrong with a question', async () => {
    for (const [query, pointer] of [
      ['?since=yesterday', '?since'],
      ['?until=2026-13-45', '?until'],
      ['?cursor=abc', '?cursor'],
      ['?size=5000', '?size'],
      ['?outcome=maybe', '?outcome'],
      ['?colour=red', '?colour'],
    ]) {
      const { status, body, text } = await ask(query)
      assert.deepEqual([status, body.errors?.[0]?.pointer], [400, pointer], text)
    }
  })

  it('gives the fingerprint of a key, and keeps the key nowhere', async () => {
    const { body } = await manager.call('POST', '/v1/audit/key', { key: 'a-key' })
    assert.equal(body.fingerprints.length, 1)
    assert.match(body.fingerprints[0].fingerprint, /^[0-9a-f]{64}$/)
    assert.equal(body.fingerprints[0].current, true)
  })
})
