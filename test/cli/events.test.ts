import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { createEventPipeline } from '../../events/pipeline.ts'
import { systemClock } from '../../foundation/clock.ts'
import { createLogger } from '../../foundation/log.ts'
import { createMetrics } from '../../foundation/metrics.ts'
import { AUDIT_EVENTS } from '../../plugins/key-auth-audit/events.ts'
import { createAudit, SECRET } from '../plugins/key-auth-audit/harness.ts'
import { recorded } from '../plugins/key-auth-audit/recorded.ts'
import { makeFolder, type TestFolder } from '../support/folder.ts'
import { runSluice } from '../support/run-sluice.ts'
import { START_MS, sharedPostgres } from '../support/services.ts'

describe('sluice events, audit and fingerprint', () => {
  let folder: TestFolder
  let url: string
  let env: Record<string, string>

  before(async function () {
    this.timeout(START_MS)
    folder = makeFolder()
    url = await (await sharedPostgres()).createDatabase()
    env = {
      SLUICE_SPOOL_DIR: folder.path,
      SLUICE_POSTGRES_URL: url,
      SLUICE_FINGERPRINT_SECRET: SECRET,
      SLUICE_FINGERPRINT_OLD_SECRETS: 'the-secret-of-last-year-1 the-secret-of-last-year-2',
    }
    const events = createEventPipeline(
      {
        node: 'test',
        spoolDir: folder.path,
        spoolMaxBytes: 10_000_000,
        postgresUrl: undefined,
        amqpUrl: undefined,
      },
      {
        clock: systemClock,
        log: createLogger('silent'),
        metrics: createMetrics(),
        random: Math.random,
        types: AUDIT_EVENTS,
      },
    )
    await events.start()
    const audit = createAudit({}, { publisher: events.publisher })
    for (const [i, name] of ['key-granted', 'key-invalid', 'acl-forbidden', 'key-missing'].entries()) {
      const log = recorded(name)
      log.started_at = Date.now() - 60_000 + i
      await audit.log(log)
    }
    await events.close()
  })
  after(() => folder.remove())

  const lines = (text: string) =>
    text
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))

  it('tail prints the newest events', async () => {
    const { code, stdout, stderr } = await runSluice(['events', 'tail', '-n', '2', '--follow'], env)
    assert.equal(code, 0)
    assert.match(stderr, /^nothing to follow: no plugin server that runs writes to /)
    assert.deepEqual(
      lines(stdout).map(event => [event.type, event.sequence]),
      [
        ['key-auth.denied.v1', 4],
        ['events.checkpoint.v1', 5],
      ],
    )
  })

  it('tail prints only the type that was asked for', async () => {
    const { stdout } = await runSluice(['events', 'tail', '--type', 'key-auth.granted.v1'], env)
    assert.deepEqual(
      lines(stdout).map(event => event.data.consumer_username),
      ['eddie'],
    )
  })

  it('check finds a sound spool sound', async () => {
    const { code, stdout } = await runSluice(['events', 'check', '--json'], env)
    assert.equal(code, 0, stdout)
    const [report] = JSON.parse(stdout)
    assert.deepEqual(
      [report.records, report.bad_regions, report.alive, report.problems.length],
      [5, 0, false, 0],
    )
  })

  it('check names damage and exits 1', async () => {
    const copy = makeFolder()
    try {
      const [name] = readdirSync(folder.path).filter(each => !each.endsWith('.lock'))
      const { cpSync } = await import('node:fs')
      cpSync(path.join(folder.path, name!), path.join(copy.path, name!), { recursive: true })
      const file = path.join(copy.path, name!, '00000001.seg')
      const bytes = readFileSync(file)
      bytes[bytes.indexOf('acl') + 1] = 0
      writeFileSync(file, bytes)
      const { code, stdout } = await runSluice(['events', 'check', '--spool-dir', copy.path], env)
      assert.equal(code, 1)
      assert.match(stdout, /1 \(\d+ bytes\)/)
      assert.match(stdout, /event 3 is gone/)
    } finally {
      copy.remove()
    }
  })

  it('replay sends to PostgreSQL what the spools hold, and again without a second copy', async () => {
    for (let i = 0; i < 2; i++) {
      const { code, stdout, stderr } = await runSluice(['events', 'replay', '--sink', 'postgres'], env)
      assert.equal(code, 0, stderr)
      assert.equal(stdout, 'sent 5 events to postgres\n')
    }
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    const { rows } = await client.query('select count(*)::int from gateway_events')
    await client.end()
    assert.equal(rows[0].count, 5)
  })

  it('audit shows who was refused, and why', async () => {
    const { stdout, code, stderr } = await runSluice(['audit', '--denied'], env)
    assert.equal(code, 0, stderr)
    const rows = stdout.trim().split('\n')
    assert.match(rows[0]!, /^TIME +OUTCOME +REASON +CONSUMER +KEY +ADDRESS +REQUEST +STATUS +SERVICE$/)
    assert.deepEqual(
      rows.slice(1).map(row => row.split(/ {2,}/).slice(1, 4)),
      [
        ['denied', 'missing', '-'],
        ['denied', 'forbidden', 'eddie'],
        ['denied', 'invalid', '-'],
      ],
    )
  })

  it('audit finds what a leaked key was used for', async () => {
    const { stdout } = await runSluice(['audit', '--key-stdin', '--json'], env, 'ek\n')
    assert.deepEqual(
      lines(stdout).map(row => [row.outcome, row.reason]),
      [
        ['denied', 'forbidden'],
        ['granted', null],
      ],
    )
  })

  it('audit narrows by consumer, reason and time', async () => {
    const count = async (...args: string[]) => {
      const { stdout } = await runSluice(['audit', '--json', ...args], env)
      return stdout === '' ? 0 : lines(stdout).length
    }
    assert.equal(await count('--consumer', 'eddie'), 2)
    assert.equal(await count('--consumer', 'eid', '--reason', 'forbidden'), 1)
    assert.equal(await count('--consumer', 'nobody'), 0)
    assert.equal(await count('--until', '30m'), 0)
    assert.equal(await count('--address', '127.0.0.1', '--limit', '3'), 3)
  })

  it('fingerprint gives one under every secret, and never the key', async () => {
    const { stdout } = await runSluice(['fingerprint', '--json'], env, 'planted-key\n')
    const found = JSON.parse(stdout)
    assert.equal(found.length, 3)
    assert.deepEqual(
      found.map((each: { fingerprint: string }) => each.fingerprint),
      [SECRET, 'the-secret-of-last-year-1', 'the-secret-of-last-year-2'].map(secret =>
        createHmac('sha256', secret).update('planted-key').digest('hex'),
      ),
    )
    assert.deepEqual(
      found.map((each: { current: boolean }) => each.current),
      [true, false, false],
    )
    assert.doesNotMatch(stdout, /planted/)
  })

  it('verify finds the chain sound, and names what someone changes', async () => {
    const sound = await runSluice(['events', 'verify'], env)
    assert.equal(sound.stdout, '5 events of 1 writers verified, 0 problems\n')
    assert.equal(sound.code, 0)
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      await client.query(`update gateway_events set data = data || '{"status": 200}' where sequence = 3`)
      const altered = await runSluice(['events', 'verify'], env)
      assert.match(altered.stdout, /event 3 was altered\n4 events of 1 writers verified, 1 problems/)
      assert.equal(altered.code, 1)
      await client.query('delete from gateway_events where sequence = 3')
      assert.match((await runSluice(['events', 'verify'], env)).stdout, /event 3 is gone\n/)
      await client.query('update gateway_events set sequence = 3 - sequence where sequence < 3')
      const moved = (await runSluice(['events', 'verify'], env)).stdout
      assert.match(moved, /event 2 was moved to place 1\n/)
      assert.match(moved, /event 1 was moved to place 2\n/)
    } finally {
      await client.end()
    }
  })

  it('print JSON whose names are in snake_case, as those of events', async () => {
    for (const args of [
      ['events', 'check', '--json'],
      ['events', 'verify', '--json'],
      ['fingerprint', '--json'],
      ['audit', '--json'],
    ]) {
      const { stdout } = await runSluice(args, env, 'a-key\n')
      const names = [...stdout.matchAll(/"(\w+)":/g)].map(([, name]) => String(name))
      assert.ok(names.length > 2, `${args.join(' ')}: ${stdout}`)
      for (const name of names) assert.match(name, /^[a-z\d_]+$/, args.join(' '))
    }
  })

  it('name what is wrong with a call', async () => {
    for (const [args, message] of [
      [['audit', '--since', 'yesterday'], /--since: "yesterday" is neither a span/],
      [['audit', '--limit', '0'], /--limit: "0" is not a positive integer/],
      [['events', 'replay', '--sink', 'kafka'], /--sink: "kafka" is neither/],
      [['events', 'check', '--spool-dir', '/no/such'], /cannot read the spool \/no\/such/],
      [['fingerprint'], /there is no key on standard input/],
    ] as const) {
      const { code, stderr } = await runSluice(args, env)
      assert.equal(code, 1)
      assert.match(stderr, message)
    }
  })
})
