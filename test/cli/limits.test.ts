import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { promisify } from 'node:util'
import { systemClock } from '../../foundation/clock.ts'
import { createLogger } from '../../foundation/log.ts'
import { createMetrics } from '../../foundation/metrics.ts'
import { RedisStore } from '../../plugin-server/stores/redis.ts'
import { createNode, oneLimit } from '../plugins/qos/harness.ts'
import { type Service, START_MS, useRedis } from '../support/services.ts'

const CLI = path.resolve(import.meta.dirname, '..', '..', 'cli', 'sluice.js')
const ALICE = '0c1b8f9e-5b0a-4c47-9d0e-1f2a3b4c5d6e'

/** What Kong says of its plugins. */
const PLUGINS = [
  { id: 'p1', name: 'key-auth', config: {}, route: null, service: null, consumer: null },
  {
    id: 'p2',
    name: 'qos',
    config: { tiers: { free: { limits: [{ name: 'hour' }, { name: 'day' }] } } },
    route: { id: 'r1' },
    service: null,
    consumer: null,
  },
  {
    id: 'p3',
    name: 'sluice',
    config: { qos: { tiers: { gold: { limits: [{ name: 'minute' }] } } } },
    route: null,
    service: { id: 's1' },
    consumer: null,
  },
]

describe('sluice limits', function () {
  this.timeout(30_000)
  let service: Service
  let store: RedisStore
  let admin: Server
  let node: ReturnType<typeof createNode>
  let ask: ReturnType<ReturnType<typeof createNode>['configure']>

  before(async function () {
    this.timeout(START_MS)
    service = await useRedis()
    const parts = { clock: systemClock, log: createLogger('silent'), metrics: createMetrics() }
    store = new RedisStore({ urls: [service.url], deadlineMs: 2000, ...parts })
    assert.ok(await store.ready(60_000))
    node = createNode({ store, clock: systemClock })
    ask = node.configure({
      tiers: {
        free: {
          limits: [
            { name: 'hour', requests: 3, per: 3600 },
            { name: 'day', requests: 100, algorithm: 'calendar', period: 'day' },
          ],
        },
      },
      default_tier: 'free',
      sync: 'strict',
      route_id: 'r1',
    })
    const answers: Readonly<Record<string, unknown>> = {
      '/consumers/alice': { id: ALICE },
      '/plugins': { data: PLUGINS },
    }
    admin = createServer((request, response) => {
      const answer = answers[request.url!.replace(/\?.*/, '')]
      response.statusCode = answer ? 200 : 404
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(answer ?? { message: 'Not found' }))
    })
    await new Promise<void>(resolve => admin.listen(0, '127.0.0.1', resolve))
  })
  after(async () => {
    admin?.close()
    await node?.close()
    await store?.close()
    await service?.close()
  })

  async function sluice(...args: string[]) {
    const { port } = admin.address() as AddressInfo
    const env = {
      ...process.env,
      SLUICE_REDIS_URL: service.url,
      SLUICE_ADMIN_URL: `http://127.0.0.1:${port}`,
    }
    try {
      return { code: 0, ...(await promisify(execFile)(process.execPath, [CLI, 'limits', ...args], { env })) }
    } catch (error) {
      return error as { code: number; stdout: string; stderr: string }
    }
  }
  const send = async () => (await ask({ consumer: { id: ALICE, username: 'alice' } })).status
  const events = () => node.events.of('qos.limits-changed.v1').map(({ data }) => data)
  const heard = async (count: number) => {
    for (let i = 0; i < 1000 && events().length < count; i++)
      await new Promise(resolve => setTimeout(resolve, 2))
    assert.equal(events().length, count)
  }

  it('shows what a consumer has used and left, found by its name in Kong', async () => {
    assert.deepEqual([await send(), await send(), await send(), await send()], [200, 200, 200, 429])
    const { code, stdout } = await sluice('show', '--consumer', 'alice', '--json')
    assert.equal(code, 0)
    const [subject] = JSON.parse(stdout)
    assert.deepEqual([subject.subject, subject.scope], [`consumer:${ALICE}`, 'route=r1'])
    assert.ok(subject.expires_in_seconds > 0)
    const [hour, day] = subject.limits
    assert.ok(hour.reset_seconds > 0 && hour.reset_seconds <= 3600)
    assert.ok(day.reset_seconds > 0 && day.reset_seconds <= 90_000)
    assert.deepEqual(
      [hour, day].map(({ reset_seconds, ...rest }) => rest),
      [
        { name: 'hour', algorithm: 'gcra', requests: 3, per_seconds: 3600, burst: 3, used: 3, left: 0 },
        { name: 'day', algorithm: 'calendar', requests: 100, per_seconds: 86_400, used: 3, left: 97 },
      ],
    )
    const text = (await sluice('show', '--consumer', ALICE)).stdout
    assert.match(text, new RegExp(`^consumer:${ALICE} at route=r1\n`))
    assert.match(text, /^hour +3 in 1h +3 +0 +[\dhms ]+$/m)
    assert.match(text, /^day +100 a period of 1d +3 +97 +[\dhms ]+$/m)
  })

  it('resets: the next request passes, though nodes remember the refusal and the counts', async () => {
    assert.equal(await send(), 429)
    const { code } = await sluice('reset', '--consumer', 'alice', '--reason', 'goodwill', '--actor', 'ops')
    assert.equal(code, 0)
    await heard(1)
    assert.equal(events()[0]!.action, 'reset')
    assert.deepEqual([events()[0]!.actor, events()[0]!.reason], ['ops', 'goodwill'])
    assert.deepEqual([await send(), await send(), await send(), await send()], [200, 200, 200, 429])
  })

  it('changes a limit for a while, and ends the change', async () => {
    const more = ['--limit', 'hour', '--reason', 'launch day', '--actor', 'ops']
    const set = await sluice('set', '--consumer', 'alice', '--requests', '10', '--for', '2h', ...more)
    assert.equal(set.code, 0)
    assert.match(set.stdout, /^hour: changed to 10 requests, burst 10, until /m)
    // Three of the ten were used before.
    assert.match(set.stdout, /^hour +10 in 1h +3 +7 /m)
    await heard(2)
    assert.deepEqual([events()[1]!.limit, events()[1]!.requests], ['hour', 10])
    const statuses: number[] = []
    for (let i = 0; i < 12; i++) statuses.push(await send())
    assert.equal(statuses.filter(status => status === 200).length, 7)
    assert.equal((await ask({ consumer: { id: ALICE, username: 'alice' } })).quota.hour, 10)
    assert.equal((await sluice('unset', '--consumer', 'alice', ...more)).code, 0)
    await heard(3)
    assert.equal((await ask({ consumer: { id: ALICE } })).quota.hour, 3)
  })

  it('changes the limit of a subject that has had no request, where its scope is named', async () => {
    const more = ['--limit', 'hour', '--requests', '1', '--reason', 'abuse']
    const unknown = await sluice('set', '--subject', 'ip:192.0.2.77', ...more)
    assert.equal(unknown.code, 1)
    assert.match(unknown.stderr, /nothing is counted for ip:192.0.2.77 yet; name it with --scope/)
    assert.equal((await sluice('set', '--subject', 'ip:192.0.2.77', '--scope', 'route=r1', ...more)).code, 0)
    assert.equal((await ask({ ip: '192.0.2.77' })).status, 200)
    assert.equal((await ask({ ip: '192.0.2.77' })).status, 429)
  })

  it('refuses what would do nothing, and says what is known', async () => {
    const set = (limit: string) => [
      ...['set', '--consumer', ALICE, '--limit', limit, '--requests', '5', '--reason', 'x'],
    ]
    const cases: [args: string[], reason: RegExp][] = [
      [['show'], /either --consumer or --subject/],
      [['show', '--consumer', 'nobody'], /Kong has no consumer "nobody"/],
      [['reset', '--consumer', ALICE], /--reason/],
      [
        ['set', '--consumer', ALICE, '--limit', 'hour', '--requests', '0', '--reason', 'x'],
        /--requests: "0"/,
      ],
      [
        ['set', '--consumer', ALICE, '--limit', 'hour', '--requests', '5', '--for', '2y', '--reason', 'x'],
        /"2y" is not a duration/,
      ],
      [['show', '--consumer', ALICE, '--scope', 'all'], /--scope "all": known are route=r1, service=s1\n/],
      [['show', '--consumer', ALICE, '--scope', 'route=r2'], /--scope "route=r2": known are/],
      [set('nope'), /--limit "nope": known are day, hour\n/],
      [set('minute'), /--limit "minute": known are day, hour\n/],
      [
        ['reset', '--consumer', ALICE, '--limit', 'nope', '--reason', 'x'],
        /--limit "nope": in use are (hour, day|day, hour)\n/,
      ],
      [
        ['unset', '--consumer', ALICE, '--limit', 'hour', '--reason', 'x'],
        /no change of limit "hour" is in force/,
      ],
      [
        ['reset', '--subject', 'ip:192.0.2.78', '--scope', 'route=r1', '--reason', 'x'],
        /nothing is used of any limit/,
      ],
      [
        [...set('nope'), '--admin-url', 'http://127.0.0.1:1'],
        /known are day, hour; Kong's Admin API at http:\/\/127.0.0.1:1 does not answer/,
      ],
    ]
    const before = events().length
    for (const [args, reason] of cases) {
      const { code, stderr } = await sluice(...args)
      assert.notEqual(code, 0)
      assert.match(stderr, reason)
    }
    assert.equal(events().length, before)
  })

  it('knows the one scope of its kind by its short name, and those of Kong without a request', async () => {
    const all = node.configure({ ...oneLimit({ requests: 5, per: 60 }), sync: 'strict', __ws_id: 'w1' })
    assert.equal((await all({ ip: '192.0.2.9' })).status, 200)
    const { stdout } = await sluice('show', '--subject', 'ip:192.0.2.9', '--scope', 'all', '--json')
    assert.deepEqual(
      JSON.parse(stdout).map(({ scope }: { scope: string }) => scope),
      ['all=w1'],
    )
    const more = ['--limit', 'minute', '--requests', '9', '--reason', 'x']
    const set = await sluice('set', '--consumer', ALICE, '--scope', 'service=s1', ...more)
    assert.equal(set.code, 0, set.stderr)
    assert.match(set.stdout, /at service=s1\nnothing is used of any limit\nminute: changed to 9 requests/)
  })

  it('explains itself', async () => {
    const { stdout } = await sluice('--help')
    assert.match(stdout, /A subject is whose requests are counted together/)
    assert.match(stdout, /sluice limits set +--consumer alice --limit minute --requests 5000 \\\n +--for 2h/)
  })
})
