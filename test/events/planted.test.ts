import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { connect } from 'amqplib'
import pg from 'pg'
import { createEventPipeline } from '../../events/pipeline.ts'
import { QUEUE } from '../../events/rabbitmq/topology.ts'
import { systemClock } from '../../foundation/clock.ts'
import { createMetrics } from '../../foundation/metrics.ts'
import { AUDIT_EVENTS } from '../../plugins/key-auth-audit/events.ts'
import { createAudit, SECRET } from '../plugins/key-auth-audit/harness.ts'
import { RECORDED, type RecordedOutcome } from '../plugins/key-auth-audit/recorded.ts'
import { makeFolder, type TestFolder } from '../support/folder.ts'
import { recordLogs } from '../support/logs.ts'
import { runSluice } from '../support/run-sluice.ts'
import { type Service, START_MS, sharedPostgres, useRabbit } from '../support/services.ts'

/** Each is searched for by its middle too, so that no part of a key gets through. */
const KEYS = [
  'PLANTEDkey0header1aaaa',
  'PLANTEDkey0query2bbbb',
  'PLANTEDkey0second3cccc',
  'PLANTEDkey0path4dddd',
]
const PASSWORDS = ['PLANTEDpassword5', 'PLANTEDbody6']
const BYTES = Buffer.from([0xff, 0xfe, 0x50, 0x4c, 0x41, 0x4e, 0x54, 0x45, 0x44, 0x37])
const NEEDLES = ['PLANTED', 'key0header', 'key0query', 'key0second', 'key0path', 'password5', 'body6', SECRET]

type Plant = (log: RecordedOutcome['log']) => void

/** Ways to send a key. Kong's log data holds no bodies; one is planted as other plugins could add it. */
const PLANTS: Readonly<Record<string, Plant>> = {
  'in a header': log => {
    log.request.headers.apikey = KEYS[0]
  },
  'in several headers': log => {
    log.request.headers.apikey = [KEYS[0], KEYS[2]]
  },
  'in the query': log => {
    log.request.uri = `/ka?apikey=${KEYS[1]}&x=1`
    log.request.url = `http://127.0.0.1${log.request.uri}`
    log.request.querystring = { apikey: KEYS[1], x: '1' }
    log.upstream_uri = log.request.uri
  },
  'percent-encoded in the query': log => {
    const encoded = [...Buffer.from(KEYS[1]!)].map(byte => `%${byte.toString(16)}`).join('')
    log.request.uri = `/ka?apikey=${encoded}`
  },
  'several times in the query': log => {
    log.request.uri = `/ka?apikey=${KEYS[1]}&apikey=${KEYS[2]}`
    log.request.querystring = { apikey: [KEYS[1], KEYS[2]] }
  },
  'in the path': log => {
    log.request.uri = `/ka/${KEYS[3]}/x`
    log.upstream_uri = log.request.uri
  },
  'in header, query and path at once': log => {
    log.request.headers.apikey = KEYS[0]
    log.request.uri = `/ka/${KEYS[0]}/prefix-${KEYS[3]}?apikey=${KEYS[1]}&key=${KEYS[2]}`
    log.request.headers.host = `${KEYS[0]}.example.com`
    log.request.method = KEYS[0]
  },
  'as bytes that are not UTF-8': log => {
    log.request.headers.apikey = BYTES.toString()
    const encoded = [...BYTES].map(byte => `%${byte.toString(16)}`).join('')
    log.request.uri = `/ka/${encoded}?apikey=${encoded}`
  },
  'in the body, a cookie and a password': log => {
    log.request.body = `apikey=${PASSWORDS[1]}`
    log.response.body = PASSWORDS[1]
    log.request.headers.cookie = `session=${KEYS[2]}`
    log.request.headers.authorization = `Basic ${PASSWORDS[0]}`
    log.request.headers['x-forwarded-for'] = KEYS[0]
    log.request.headers.traceparent = `00-${KEYS[0]}-${KEYS[1]}-01`
    log.response.headers['set-cookie'] = KEYS[2]
  },
}

describe('planted keys', () => {
  let folder: TestFolder
  let rabbit: Service
  let postgresUrl: string
  const texts = new Map<string, string>()

  before(async function () {
    this.timeout(START_MS)
    folder = makeFolder()
    rabbit = await useRabbit()
    postgresUrl = await (await sharedPostgres()).createDatabase()
  })
  after(async () => {
    await rabbit.close()
    folder.remove()
  })

  it('are sent in every way with every outcome, through the whole path', async function () {
    this.timeout(60_000)
    const logs = recordLogs()
    const metrics = createMetrics()
    const spoolDir = path.join(folder.path, 'spool')
    const settings = { node: 'test', spoolDir, spoolMaxBytes: 50_000_000 }
    const parts = { clock: systemClock, log: logs.logger, metrics, random: Math.random, types: AUDIT_EVENTS }
    // First without sinks, so that the spool can be searched; the second run takes it over.
    const first = createEventPipeline({ ...settings, postgresUrl: undefined, amqpUrl: undefined }, parts)
    await first.start()
    const errors: string[] = []
    let sent = 0
    for (const [i, config] of [
      {},
      { path: 'full' },
      { hide_credentials: true, anonymize_ip: true },
    ].entries()) {
      const audit = createAudit(config, { publisher: first.publisher })
      for (const { log } of RECORDED)
        for (const plant of Object.values(PLANTS)) {
          const planted = structuredClone(log)
          plant(planted)
          planted.request.id = `${log.request.id}-${i}-${sent++}`
          // A path that only looks like a key is shown in full when that was asked for.
          if (i === 1) planted.request.uri = planted.request.uri.replace(KEYS[3], 'x')
          await audit.log(planted).catch((error: Error) => errors.push(`${error.stack}`))
        }
      texts.set(`metrics of the plugin ${i}`, await audit.metrics())
    }
    await first.close()
    texts.set('spool', filesOf(spoolDir))
    texts.set(
      'sluice events tail',
      (await runSluice(['events', 'tail', '-n', '100000', '--spool-dir', spoolDir])).stdout,
    )

    const second = createEventPipeline({ ...settings, postgresUrl, amqpUrl: rabbit.url }, parts)
    await second.start()
    await second.publisher.publish({ type: 'no type', subject: KEYS[0]!, data: { apikey: KEYS[0] } })
    await second.publisher.publish({ type: 'key-auth.denied.v1', subject: 'x', data: {} })
    await untilGone(spoolDir)
    await second.close({ drainMs: 30_000 })
    texts.set('metrics', await metrics.text())
    texts.set('log', logs.text())
    texts.set('errors', errors.join('\n'))
    texts.set('queue', await queueText(rabbit.url))
    texts.set('database', await databaseText(postgresUrl))
    const asked = await runSluice(['audit', '--since', '10000d', '--limit', '100000', '--json'], {
      SLUICE_POSTGRES_URL: postgresUrl,
    })
    texts.set('sluice audit', asked.stdout)
    assert.deepEqual(errors, [])
    // 11 of the 30 outcomes are a matter of authentication; each was planted in 9 ways with 3 configurations. One
    // event had data against its schema.
    assert.equal(asked.stdout.trim().split('\n').length, 11 * 9 * 3 + 1)
  })

  for (const place of [
    'spool',
    'database',
    'queue',
    'log',
    'metrics',
    'errors',
    'metrics of the plugin 0',
    'metrics of the plugin 2',
    'sluice events tail',
    'sluice audit',
  ])
    it(`are not in the ${place}`, () => {
      const text = texts.get(place)
      assert.notEqual(text, undefined)
      if (place !== 'errors') assert.ok(text!.length > 100, 'there was nothing to search')
      for (const needle of NEEDLES) {
        const at = text!.indexOf(needle)
        assert.equal(at, -1, `${needle} in …${text!.slice(Math.max(0, at - 200), at + 60)}…`)
      }
      assert.ok(!text!.includes(BYTES.toString('latin1')) && !text!.includes('%50%4c%41%4e%54%45%44'))
    })
})

/** Everything that stands in files, also as it would read backwards from hexadecimal. */
function filesOf(folder: string): string {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map(name => path.join(folder, name))
    .filter(file => statSync(file).isFile())
    .map(file => readFileSync(file, 'latin1'))
    .join('\n')
}

async function untilGone(spoolDir: string): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (!readdirSync(spoolDir).some(name => name.includes('.by-')) && i > 20) return
    await new Promise(resolve => setTimeout(resolve, 25))
  }
}

async function databaseText(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows: tables } = await client.query<{ name: string }>(
    "select relname as name from pg_class where relkind in ('r', 'p') and relname ~ '^gateway'",
  )
  let text = ''
  for (const { name } of tables) {
    const { rows } = await client.query(`select t::text from ${name} t`)
    text += rows.map(row => `${name}: ${row.t}\n`).join('')
  }
  await client.end()
  return text
}

async function queueText(url: string): Promise<string> {
  const connection = await connect(url)
  const channel = await connection.createChannel()
  let text = ''
  for (let m = await channel.get(QUEUE, { noAck: true }); m; m = await channel.get(QUEUE, { noAck: true }))
    text += `${JSON.stringify(m.properties)} ${JSON.stringify(m.fields)} ${m.content.toString('latin1')}\n`
  await connection.close()
  return text
}
