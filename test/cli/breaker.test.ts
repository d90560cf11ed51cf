import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { systemClock } from '../../foundation/clock.ts'
import { createLogger } from '../../foundation/log.ts'
import { createMetrics } from '../../foundation/metrics.ts'
import { RedisStore } from '../../plugin-server/stores/redis.ts'
import { createNode, type SimulatedNode } from '../plugins/circuit-breaker/simulated-node.ts'
import { freePort } from '../support/ports.ts'
import { type Service, START_MS, useRedis } from '../support/services.ts'
import { until } from '../support/until.ts'

const CLI = path.resolve(import.meta.dirname, '..', '..', 'cli', 'sluice.js')
const KEY = 'service:0c1b8f9e-5b0a-4c47-9d0e-1f2a3b4c5d6e'

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

describe('sluice breaker', function () {
  this.timeout(30_000)
  let service: Service
  let node: SimulatedNode
  const stores: RedisStore[] = []

  before(async function () {
    this.timeout(START_MS)
    service = await useRedis()
    node = await addNode('n1')
  })
  after(async () => {
    await node?.registry.close()
    for (const store of stores) await store.close()
    await service?.close()
  })

  async function addNode(name: string): Promise<SimulatedNode> {
    const parts = { clock: systemClock, log: createLogger('silent'), metrics: createMetrics() }
    const store = new RedisStore({ urls: [service.url], deadlineMs: 2000, ...parts })
    stores.push(store)
    assert.ok(await store.ready(60_000))
    return createNode({ store, name, key: KEY, config: { minimum_calls: 5 } })
  }

  async function sluice(...args: string[]): Promise<Outcome> {
    const env = { ...process.env, SLUICE_REDIS_URL: service.url }
    try {
      const done = await promisify(execFile)(process.execPath, [CLI, 'breaker', ...args], { env })
      return { code: 0, ...done }
    } catch (error) {
      return error as Outcome
    }
  }

  const heard = async (holds: () => boolean) => {
    await until('the order reaches the node', holds)
  }

  it('lists what has had requests, with its state and its window', async () => {
    for (let i = 0; i < 4; i++) await node.request('success')
    await node.request('failure')
    await node.registry.flush()
    const { stdout } = await sluice('list')
    const [head, row] = stdout.trim().split('\n')
    assert.match(head!, /^NAME +STATE +MODE +CALLS +FAILED +SLOW +NODES +BREAKER$/)
    assert.match(row!, new RegExp(`^echo +closed +auto +5 +1 +0 +1 +${KEY}$`))
    const shown = await sluice('show', 'echo')
    // Nobody knows since when: the state has never changed.
    assert.match(shown.stdout, /^state +closed$/m)
    assert.match(shown.stdout, /^last used +\d+s ago$/m)
    const json = JSON.parse((await sluice('show', 'echo', '--json')).stdout)
    assert.equal(json.since_ms, null)
    for (const field of Object.keys(json)) assert.match(field, /^[a-z_]+$/)
  })

  it('opens a breaker at every node at once, until the order ends, and says who and why', async () => {
    const done = await sluice(
      'open',
      'echo',
      '--reason',
      'moving the database',
      '--actor',
      'eddie',
      '--for',
      '15m',
    )
    assert.equal(done.code, 0, done.stderr)
    await heard(() => node.entry.breaker.mode.mode === 'forced-open')
    const decision = await node.request('success')
    assert.ok(decision.kind === 'reject' && decision.retryAfterMs > 890_000)
    const [event] = node.events.of('circuit.forced.v1')
    assert.deepEqual(
      [event?.data.mode, event?.data.actor, event?.data.reason, event?.data.expires_in_ms],
      ['forced-open', 'eddie', 'moving the database', 900_000],
    )
    const { stdout } = await sluice('show', 'echo')
    assert.match(stdout, /^mode +forced-open \(1[45]m/m)
    assert.match(stdout, /^ordered by +eddie$/m)
    assert.match(stdout, /^reason +moving the database$/m)
    node.clock.advance(900_000)
    assert.equal((await node.request('success')).kind, 'pass')
  })

  it('is remembered by a node that starts afterwards', async () => {
    await sluice('open', 'echo', '--reason', 'again')
    const late = await addNode('late')
    assert.equal((await late.request('success')).kind, 'reject')
    await late.registry.close()
  })

  it('keeps a breaker closed, whatever fails', async () => {
    await sluice('close', KEY, '--reason', 'false alarm')
    await heard(() => node.entry.breaker.mode.mode === 'forced-closed')
    for (let i = 0; i < 20; i++) assert.equal((await node.request('unreachable')).kind, 'pass')
  })

  it('gives the decision back to the breaker', async () => {
    const { stdout } = await sluice('auto', 'echo', '--reason', 'done', '--json')
    assert.equal(JSON.parse(stdout).mode, 'auto')
    await heard(() => node.entry.breaker.mode.mode === 'auto')
    assert.equal(node.events.of('circuit.forced.v1').at(-1)?.data.mode, 'auto')
  })

  it('orders a breaker that has had no request yet, by its whole key', async () => {
    const { stdout } = await sluice('disable', 'route:7', '--reason', 'not ready', '--json')
    const { breaker, mode, mode_remaining_ms, state } = JSON.parse(stdout)
    assert.deepEqual([breaker, mode, state], ['route:7', 'disabled', 'closed'])
    assert.ok(mode_remaining_ms > 3_590_000)
  })

  it('names what it does not know, and what it knows', async () => {
    const unknown = await sluice('show', 'nobody')
    assert.equal(unknown.code, 1)
    assert.match(unknown.stderr, /there is no breaker "nobody"; known: echo/)
    const forever = await sluice('open', 'echo', '--reason', 'x', '--for', '1y')
    assert.match(forever.stderr, /"1y" is not a duration such as 90s/)
    const silent = await sluice('open', 'echo')
    assert.match(silent.stderr, /required option '--reason <text>'/)
  })

  it('says what is missing where there is no Redis', async () => {
    const env = { ...process.env, SLUICE_REDIS_URL: '' }
    await assert.rejects(promisify(execFile)(process.execPath, [CLI, 'breaker', 'list'], { env }), {
      stderr: /SLUICE_REDIS_URL is not set/,
    })
    const away = { ...process.env, SLUICE_REDIS_URL: `redis://127.0.0.1:${await freePort()}` }
    await assert.rejects(promisify(execFile)(process.execPath, [CLI, 'breaker', 'list'], { env: away }), {
      stderr: /no connection to Redis within 5000 ms: .*ECONNREFUSED/,
    })
  })
})
