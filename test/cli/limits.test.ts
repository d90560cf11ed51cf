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
import { createNode } from '../plugins/qos/harness.ts'
import { type Service, START_MS, useRedis } from '../support/services.ts'

const CLI = path.resolve(import.meta.dirname, '..', '..', 'cli', 'sluice.js')
const ALICE = '0c1b8f9e-5b0a-4c47-9d0e-1f2a3b4c5d6e'

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
    assert.ok(await store.ready(5000))
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
    admin = createServer((request, response) => {
      response.statusCode = request.url === '/consumers/alice' ? 200 : 404
      response.setHeader('content-type', 'application/json')
      response.end(response.statusCode === 200 ? JSON.stringify({ id: ALICE }) : '{"message":"Not found"}')
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

  it('shows how a consumer stands, found by its name in Kong', async () => {
    assert.deepEqual([await send(), await send(), await send(), await send()], [200, 200, 200, 429])
    const { code, stdout } = await sluice('show', '--consumer', 'alice', '--json')
    assert.equal(code, 0)
    const [subject] = JSON.parse(stdout)
    assert.equal(subject.subject, `consumer:${ALICE}`)
    assert.equal(subject.scope, 'route=r1')
    assert.equal(subject.limits[0].name, 'hour')
    assert.ok(subject.limits[0].full_in_seconds > 3590)
    assert.equal(subject.limits[1].used, 3)
    assert.match((await sluice('show', '--consumer', ALICE)).stdout, /day +3 used since/)
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
    assert.match(set.stdout, /hour +changed to 10 requests, burst 10, until/)
    await heard(2)
    assert.deepEqual([events()[1]!.limit, events()[1]!.requests], ['hour', 10])
    const statuses: number[] = []
    for (let i = 0; i < 12; i++) statuses.push(await send())
    // Three of the ten were used before.
    assert.equal(statuses.filter(status => status === 200).length, 7)
    const headers = (await ask({ consumer: { id: ALICE, username: 'alice' } })).headers
    assert.equal(headers['X-RateLimit-Limit-Hour'], 10)
    assert.equal((await sluice('unset', '--consumer', 'alice', ...more)).code, 0)
    await heard(3)
    assert.equal((await ask({ consumer: { id: ALICE } })).headers['X-RateLimit-Limit-Hour'], 3)
  })

  it('changes the limit of a subject that has had no request, where its scope is named', async () => {
    const more = ['--limit', 'hour', '--requests', '1', '--reason', 'abuse']
    const unknown = await sluice('set', '--subject', 'ip:192.0.2.77', ...more)
    assert.equal(unknown.code, 1)
    assert.match(unknown.stderr, /no limit is in use for ip:192.0.2.77/)
    assert.equal((await sluice('set', '--subject', 'ip:192.0.2.77', '--scope', 'route=r1', ...more)).code, 0)
    assert.equal((await ask({ ip: '192.0.2.77' })).status, 200)
    assert.equal((await ask({ ip: '192.0.2.77' })).status, 429)
  })

  it('says what is wrong with a command', async () => {
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
    ]
    for (const [args, reason] of cases) {
      const { code, stderr } = await sluice(...args)
      assert.notEqual(code, 0)
      assert.match(stderr, reason)
    }
  })
})
