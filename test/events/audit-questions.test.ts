import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import pg from 'pg'
import { type AuditQuestion, auditQuery } from '../../events/postgres/audit.ts'
import { migrate } from '../../events/postgres/migrate.ts'
import { Partitions } from '../../events/postgres/partitions.ts'
import { START_MS, sharedPostgres } from '../support/services.ts'

const PAGE = readFileSync(new URL('../../../docs/audit-questions.md', import.meta.url), 'utf8')
const QUESTIONS = [...PAGE.matchAll(/^## (.+)$[^#]*?```sql\n([^`]+)```\n\nPlan: index `(\w+)`/gm)].map(
  ([, title, sql, index]) => ({ title: title!, sql: sql!, index: index! }),
)
const DAY_MS = 86_400_000
const DAYS = 5
/**
 * Yesterday at six in the evening stands for now: a partition that has only begun is rightly read whole,
 * and the plans would depend on the time of day.
 */
const NOW_MS = Math.floor(Date.now() / DAY_MS) * DAY_MS - DAY_MS / 4
const atNow = (sql: string): string =>
  sql.replaceAll('now()', `timestamptz '${new Date(NOW_MS).toISOString()}'`)

/** Forty thousand events over five days: granted and denied requests of 1,000 consumers, and a few of each other type. */
const FILL = `
  insert into gateway_events (time, id, type, subject, node, writer, sequence, chain, data)
  select now() - (n * interval '10 seconds'), gen_random_uuid(),
         case when n % 997 = 0 then 'key-auth.brute-force.v1' when n % 991 = 0 then 'key-auth.first-seen.v1'
              when n % 983 = 0 then 'gateway.route.updated.v1' when n % 5000 = 1 then 'events.lost.v1'
              when n % 10 = 0 then 'key-auth.denied.v1' else 'key-auth.granted.v1' end,
         'x', 'node', '00000000000000aa', n, '\\x00',
         jsonb_build_object(
           'consumer_id', '617874d3-4bcb-46e2-be80-' || lpad((n % 1000)::text, 12, '0'),
           'consumer_username', 'consumer-' || n % 1000,
           'credential_id', '1d651a62-0c2d-432d-8d24-' || lpad((n % 1000)::text, 12, '0'),
           'key_fingerprint', 'f' || lpad((n % 1000)::text, 63, '0'),
           'client_ip', '203.0.113.' || n % 250, 'outcome', 'granted', 'reason', 'invalid', 'path', '/dictionary',
           'route_name', 'dictionary', 'service_name', 'dictionary', 'status', 200, 'filler', repeat('x', 300))
    from generate_series(1, 40000) n`

describe('the questions to the audit', () => {
  let client: pg.Client

  before(async function () {
    this.timeout(START_MS)
    client = new pg.Client({ connectionString: await (await sharedPostgres()).createDatabase() })
    await client.connect()
    await migrate(client)
    const times = Array.from({ length: DAYS + 1 }, (_, day) => new Date(NOW_MS - day * DAY_MS).toISOString())
    await new Partitions().ensure(client, times, Date.now())
    await client.query(atNow(FILL))
    await client.query('analyze gateway_events')
  })
  after(() => client.end())

  interface Plan {
    readonly 'Node Type': string
    readonly 'Relation Name'?: string
    readonly 'Index Name'?: string
    readonly Plans?: readonly Plan[]
  }
  const nodes = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodes)]

  async function planOf(sql: string, values: unknown[] = []): Promise<Plan[]> {
    const { rows } = await client.query(`explain (format json) ${sql}`, values)
    return nodes(rows[0]['QUERY PLAN'][0].Plan)
  }

  /** A partition that holds nothing yet may be read whole. */
  async function assertIndexed(plan: readonly Plan[]): Promise<void> {
    const filled = new Set<string>()
    const { rows } = await client.query(
      "select relname from pg_class where relname ~ '^gateway_events_2' and relkind = 'r' and reltuples > 0",
    )
    for (const row of rows) filled.add(row.relname)
    const scanned = plan.filter(
      node => node['Node Type'] === 'Seq Scan' && filled.has(node['Relation Name'] ?? ''),
    )
    assert.deepEqual(scanned, [])
    assert.ok(
      plan.some(node => node['Index Name'] !== undefined),
      'no index is used',
    )
  }

  /** The index of the whole table that an index of a partition is part of. */
  async function parentOf(index: string): Promise<string> {
    const { rows } = await client.query(
      'select inhparent::regclass::text as parent from pg_inherits where inhrelid = $1::regclass',
      [index],
    )
    return rows[0]?.parent ?? index
  }

  it('are ten, and one about the events themselves', () => {
    assert.equal(QUESTIONS.length, 11)
  })

  for (const { title, sql, index } of QUESTIONS)
    it(`"${title}" is answered by ${index}`, async () => {
      const asked = atNow(sql)
      await client.query(asked)
      const plan = await planOf(asked.trim().replace(/;$/, ''))
      await assertIndexed(plan)
      const used: string[] = []
      for (const node of plan) if (node['Index Name']) used.push(await parentOf(node['Index Name']))
      assert.ok(used.includes(index), `used: ${[...new Set(used)].join(', ')}`)
    })

  const hourAgo = NOW_MS - 3_600_000
  const asked: Readonly<Record<string, Partial<AuditQuestion>>> = {
    'the last hour': {},
    'a consumer': { consumer: 'consumer-7' },
    'a credential': { credential: '1d651a62-0c2d-432d-8d24-000000000007' },
    'a key under two secrets': { fingerprints: ['f'.padEnd(64, '0'), 'a'] },
    'refusals of an address': { address: '203.0.113.7', outcome: 'denied' },
    'refusals for a reason': { outcome: 'denied', reason: 'invalid' },
  }
  for (const [name, part] of Object.entries(asked))
    it(`sluice audit asks for ${name} by an index`, async () => {
      const { text, values } = auditQuery({ sinceMs: hourAgo, limit: 100, ...part })
      await client.query(text, values)
      await assertIndexed(await planOf(text, values))
    })
})
