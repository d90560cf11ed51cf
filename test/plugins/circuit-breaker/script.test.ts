import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { LATE_KEPT, type ProbeKind } from '../../../plugins/circuit-breaker/breaker.ts'
import { AUTO, type ModeSetting } from '../../../plugins/circuit-breaker/mode.ts'
import type { Policy } from '../../../plugins/circuit-breaker/policy.ts'
import {
  type BreakerCall,
  breakerScript,
  type Known,
  type Operation,
  type Snapshot,
} from '../../../plugins/circuit-breaker/script.ts'
import type { StoredHash } from '../../../sdk/store.ts'
import { type Service, START_MS, sharedRedis } from '../../support/services.ts'
import { LUA_WITH_TIME, withTime } from './held-time-store.ts'

const policies: fc.Arbitrary<Policy> = fc.record({
  failureRate: fc.constantFrom(0.01, 0.3, 0.5, 1),
  slowCallRate: fc.constantFrom(0.1, 0.8, 1),
  minimumCalls: fc.integer({ min: 1, max: 20 }),
  connectionFailures: fc.integer({ min: 0, max: 3 }),
  quorumNodes: fc.integer({ min: 1, max: 3 }),
  openMs: fc.integer({ min: 1, max: 500 }),
  maxOpenMs: fc.integer({ min: 500, max: 2000 }),
  openJitter: fc.constantFrom(0, 0.2, 1),
  permits: fc.integer({ min: 1, max: 4 }),
  probeMs: fc.integer({ min: 1, max: 500 }),
  recoveryMs: fc.constantFrom(0, 1, 300),
  liveMs: fc.constantFrom(100, 2000),
})

const nodes = fc.constantFrom('n1/a', 'n1/b', 'n2/a', 'n3/a', 'n3/b', 'n/4/x', 'n5')
const tokens = fc.constantFrom('a', 'b', 'c')

interface Call {
  readonly node: string
  readonly name: string
  readonly waitMs: number
  readonly draw: number
  readonly make: (generation: number, granted: string) => Operation
  readonly known: 'fresh' | 'none' | 'ahead'
  readonly mode: ModeSetting
}

const operations: fc.Arbitrary<Call['make']> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .record({
        calls: fc.nat(20),
        failed: fc.double({ min: 0, max: 1, noNaN: true }),
        slow: fc.nat(3),
        connectionFailures: fc.nat(4),
        late: fc.integer({ min: 0, max: 1 }),
        peers: fc.integer({ min: 1, max: 6 }),
      })
      .map(
        r =>
          (generation: number): Operation => ({
            op: 'report',
            peers: r.peers,
            seen: {
              generation: Math.max(0, generation - r.late),
              calls: r.calls,
              failures: Math.round(r.calls * r.failed),
              slow: Math.min(r.calls, r.slow),
              connectionFailures: r.connectionFailures,
            },
          }),
      ),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(tokens, fc.constantFrom<ProbeKind>('request', 'stream')).map(
      ([token, kind]) =>
        (): Operation => ({ op: 'acquire', token, kind }),
    ),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        tokens,
        fc.constantFrom('success' as const, 'success' as const, 'failure' as const, 'none' as const),
        fc.constantFrom(0, 0, 0, 1),
      )
      .map(
        ([token, result, late]) =>
          (generation: number, granted: string): Operation => ({
            op: 'settle',
            token: token === 'c' ? token : granted,
            generation: generation - late,
            result,
          }),
      ),
  },
  { weight: 1, arbitrary: fc.constant((): Operation => ({ op: 'read' })) },
  { weight: 1, arbitrary: fc.constant((): Operation => ({ op: 'mode' })) },
)

const modes: fc.Arbitrary<ModeSetting> = fc.oneof(
  { weight: 6, arbitrary: fc.constant(AUTO) },
  {
    weight: 1,
    arbitrary: fc.record({
      sequence: fc.nat(3_000_000_000_000),
      mode: fc.constantFrom('auto', 'forced-open', 'forced-closed', 'metrics-only', 'disabled'),
      remainingMs: fc.nat(400),
      actor: fc.constantFrom('', 'eddie', 'ünï ☃'),
      reason: fc.constantFrom('', 'two  words'),
    }),
  },
)

const calls: fc.Arbitrary<Call[]> = fc.array(
  fc.record({
    node: nodes,
    name: fc.constantFrom('', '', 'echo', 'école'),
    // Now and then the clock steps back.
    waitMs: fc.oneof(
      { weight: 5, arbitrary: fc.nat(20) },
      { weight: 5, arbitrary: fc.nat(300) },
      { weight: 5, arbitrary: fc.nat(2000) },
      { weight: 1, arbitrary: fc.integer({ min: -3_600_000, max: -1 }) },
    ),
    draw: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    make: operations,
    known: fc.oneof(
      { weight: 12, arbitrary: fc.constant('fresh' as const) },
      { weight: 3, arbitrary: fc.constant('none' as const) },
      { weight: 1, arbitrary: fc.constant('ahead' as const) },
    ),
    mode: modes,
  }),
  { minLength: 1, maxLength: 60, size: 'max' },
)

const NOTHING: Known = { phase: 'closed', generation: 0, attempt: 0, remainingMs: 0, cause: undefined }

const POLICY: Policy = {
  failureRate: 0.5,
  slowCallRate: 1,
  minimumCalls: 1,
  connectionFailures: 0,
  quorumNodes: 3,
  openMs: 1000,
  maxOpenMs: 1000,
  openJitter: 0,
  permits: 1,
  probeMs: 1000,
  recoveryMs: 1000,
  liveMs: 2000,
}

interface Place {
  readonly redis: Redis
  readonly key: string
  readonly hash: StoredHash
}

/** Runs one call in Redis and in memory. @returns what both answer */
async function inBoth({ redis, key, hash }: Place, call: BreakerCall, nowMicros: number): Promise<Snapshot> {
  const args = breakerScript.encode!(call)
  const inMemory = breakerScript.apply(hash, call, nowMicros)
  const reply = (await redis.eval(LUA_WITH_TIME, 1, key, ...withTime(args, nowMicros))) as (string | number)[]
  const context = JSON.stringify({ operation: call.operation, known: call.known })
  const snapshot = breakerScript.decode(reply)
  assert.deepEqual(snapshot, inMemory.result, context)
  const stored = await redis.hgetall(key)
  assert.deepEqual(stored, Object.fromEntries([...hash].map(([k, v]) => [k, String(v)])), context)
  const ttl = await redis.pttl(key)
  assert.ok(Math.abs(ttl - inMemory.expireInMs) < 1000, `expires in ${ttl}, not ${inMemory.expireInMs}`)
  return snapshot
}

describe('the script of the breaker', () => {
  let service: Service
  let redis: Redis

  before(async function () {
    this.timeout(START_MS)
    service = await sharedRedis()
    redis = new Redis(service.url)
  })
  after(() => redis?.quit())

  it('answers and stores the same in Redis as in memory', async function () {
    this.timeout(60_000)
    let run = 0
    const reached = new Set<string>()
    await fc.assert(
      fc.asyncProperty(policies, calls, async (policy, sequence) => {
        run += 1
        const key = `{test:breaker:${process.pid}:${run}}`
        const hash: StoredHash = new Map()
        let nowMicros = 1_800_000_000_000_000 + run
        let last: Known & { readonly late: number } = { ...NOTHING, late: 0 }
        let granted = 'a'
        for (const call of sequence) {
          nowMicros += call.waitMs * 1000
          const known =
            call.known === 'fresh'
              ? last
              : call.known === 'none'
                ? NOTHING
                : { ...last, phase: 'open' as const, generation: last.generation + 1, remainingMs: 40 }
          const operation = call.make(last.generation, granted)
          const request = {
            operation,
            node: call.node,
            name: call.name,
            policy,
            known,
            mode: call.mode,
            draw: call.draw,
          }
          const snapshot = await inBoth({ redis, key, hash }, request, nowMicros)
          if (
            snapshot.generation === last.generation &&
            snapshot.late < last.late &&
            operation.op === 'settle'
          )
            reached.add('late result')
          if (snapshot.leases > 0 && operation.op === 'acquire') reached.add(operation.kind)
          last = snapshot
          if (snapshot.granted && operation.op === 'acquire') granted = operation.token
          reached.add(last.phase)
        }
        await redis.del(key)
      }),
      { numRuns: 200 },
    )
    // The sequences are of use only if they go everywhere.
    assert.deepEqual([...reached].sort(), [
      'closed',
      'half-open',
      'late result',
      'open',
      'recovering',
      'request',
      'stream',
    ])
  })

  it('forgets the same late probes in Redis as in memory', async () => {
    const place = { redis, key: `{test:breaker:${process.pid}:late}`, hash: new Map() }
    const policy = { ...POLICY, permits: 5, probeMs: 100 }
    const known = { ...NOTHING, phase: 'open' as const, generation: 1 }
    for (let i = 0; i < LATE_KEPT * 2; i++) {
      const operation = { op: 'acquire' as const, token: `p${i}`, kind: 'request' as const }
      const request = { operation, node: 'n1/1', name: 'echo', policy, known, mode: AUTO, draw: 0 }
      const { granted, late } = await inBoth(place, request, 1_800_000_000_000_000 + i * 30_000)
      assert.ok(granted)
      if (i > LATE_KEPT + policy.permits) assert.equal(late, LATE_KEPT)
    }
    await redis.del(place.key)
  })

  it('is open, half-open and ramps no longer than it should where the clock steps back an hour', async () => {
    const place = { redis, key: `{test:breaker:${process.pid}:back}`, hash: new Map() }
    let nowMs = 1_800_000_000_000
    let known: Known = NOTHING
    const call = async (operation: Operation, node = 'n1/1') => {
      const request = { operation, node, name: 'echo', policy: POLICY, known, mode: AUTO, draw: 0 }
      const answer = await inBoth(place, request, nowMs * 1000)
      known = answer
      return answer
    }
    const report = (failures: number, node?: string) => {
      const seen = { generation: known.generation, calls: 1, failures, slow: 0, connectionFailures: 0 }
      return call({ op: 'report', seen, peers: 1 }, node)
    }
    const acquire = () => call({ op: 'acquire', token: 'p', kind: 'request' })
    const stepBack = () => {
      nowMs -= 3_600_000
    }
    const steps: (readonly [string, number])[] = []
    const note = ({ phase, remainingMs }: Snapshot) => void steps.push([phase, remainingMs])
    note(await report(1))
    stepBack()
    note(await report(0))
    nowMs += POLICY.openMs
    assert.equal((await acquire()).granted, true)
    stepBack()
    await report(0)
    nowMs += POLICY.probeMs
    assert.equal((await report(0)).late, 1)
    note(await call({ op: 'settle', token: 'p', generation: known.generation, result: 'success' }))
    stepBack()
    note(await report(0))
    nowMs += POLICY.recoveryMs
    note(await report(0))
    assert.deepEqual(steps, [
      ['open', 1000],
      ['open', 1000],
      ['recovering', 1000],
      ['recovering', 1000],
      ['closed', 0],
    ])
    // Of a node that is gone soon after.
    await report(0, 'n2/1')
    stepBack()
    await report(0)
    nowMs += POLICY.liveMs + 1
    assert.equal((await report(0)).totals.nodes, 1)
    await redis.del(place.key)
  })

  it('runs as it is, with the time of Redis', async () => {
    const key = `{test:breaker:${process.pid}:real}`
    const seen = { generation: 0, calls: 1, failures: 1, slow: 0, connectionFailures: 0 }
    const operation = { op: 'report' as const, seen, peers: 1 }
    const request = {
      operation,
      node: 'n1/1',
      name: 'echo',
      policy: POLICY,
      known: NOTHING,
      mode: AUTO,
      draw: 0,
    }
    const args = breakerScript.encode!(request)
    const reply = (await redis.eval(breakerScript.lua, 1, key, ...args)) as (string | number)[]
    const snapshot = breakerScript.decode(reply)
    assert.equal(snapshot.phase, 'open')
    assert.equal(snapshot.remainingMs, 1000)
    assert.deepEqual(snapshot.transitions, ['opened'])
    assert.ok(Math.abs(snapshot.atMs - Date.now()) < 5000)
    await redis.del(key)
  })
})
