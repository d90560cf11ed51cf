import assert from 'node:assert/strict'
import { plugin } from '../../../plugins/sluice/plugin.ts'
import { type Harness, startHarness } from '../../../testing/harness.ts'
import { until } from '../../support/until.ts'

const SECRET = { SLUICE_FINGERPRINT_SECRET: 'a secret of at least thirty-two bytes' }
const FROM_HEADER = {
  tier_by: { source: 'header', header: 'x-tier', map: { gold: 'gold', bronze: 'bronze' } },
  trusted_sources: ['127.0.0.0/8'],
  default_tier: 'bronze',
}
const plenty = { limits: [{ name: 'minute', requests: 1000, per: 60 }] }

/** A service that holds its requests until it is told to answer. */
function createHeldService() {
  const waiting: (() => void)[] = []
  return {
    handle: () => new Promise<object>(resolve => waiting.push(() => resolve({}))),
    waiting,
    answerAll() {
      for (const answer of waiting.splice(0)) answer()
    },
  }
}

/** A service that answers when it is told to, lets six wait, and refuses all others at once. */
function createFullService() {
  const waiting: (() => void)[] = []
  return {
    waiting,
    handle: () =>
      waiting.length < 6 ? new Promise<object>(resolve => waiting.push(() => resolve({}))) : { status: 503 },
    answer(count: number) {
      for (const answer of waiting.splice(0, count)) answer()
    },
  }
}

/**
 * Each round brings four requests of bronze and then one of gold, and the service answers two, so that time plays no
 * part. Gives the shares answered with 200, after some rounds that show who needs what.
 */
async function saturate(kong: Harness, service: ReturnType<typeof createFullService>) {
  const counts = { gold: { sent: 0, ok: 0 }, bronze: { sent: 0, ok: 0 } }
  const pending: Promise<void>[] = []
  let sent = 0
  let answered = 0
  const ask = (tier: 'gold' | 'bronze', isCounted: boolean) => {
    sent++
    const count = counts[tier]
    if (isCounted) count.sent++
    const ended = kong.request('/', { headers: { 'x-tier': tier } }).then(({ status }) => {
      answered++
      if (isCounted && status === 200) count.ok++
    })
    pending.push(ended)
    return until(() => sent === answered + service.waiting.length)
  }
  const settled = async () => {
    await until(() => sent === answered + service.waiting.length)
    // A slot is free again only after the log event.
    await until(async () => (await logEvents(kong)) === answered)
  }
  for (let round = 0; round < 15; round++) {
    const tiers =
      round === 0 ? (['gold'] as const) : (['bronze', 'bronze', 'bronze', 'bronze', 'gold'] as const)
    for (const tier of tiers) await ask(tier, round > 3)
    await settled()
    service.answer(2)
    await settled()
  }
  while (answered < sent) {
    service.answer(2)
    await settled()
  }
  await Promise.all(pending)
  return { gold: counts.gold.ok / counts.gold.sent, bronze: counts.bronze.ok / counts.bronze.sent }
}

async function logEvents(kong: Harness): Promise<number> {
  const lines = (await kong.metrics()).matchAll(/^sluice_events_total\{[^}]*phase="log"[^}]*\} (\d+)$/gm)
  return [...lines].reduce((sum, [, count]) => sum + Number(count), 0)
}

describe('sluice, composed of qos, circuit-breaker and key-auth-audit', () => {
  let kong: Harness
  afterEach(() => kong.close())
  const ask = (tier: string) => kong.request('/', { headers: { 'x-tier': tier } })

  it('limits, and records, in one access and one log event', async () => {
    const tiers = { bronze: { limits: [{ name: 'minute', requests: 1, per: 60 }] } }
    kong = await startHarness(plugin, {
      config: { qos: { default_tier: 'bronze', tiers }, circuit_breaker: {}, key_auth_audit: {} },
      consumer: { username: 'eddie' },
      env: SECRET,
    })
    const headers = { apikey: kong.apikey }
    assert.equal((await kong.request('/', { headers })).status, 200)
    assert.equal((await kong.request('/', { headers })).status, 429)
    const types = kong.events.map(event => event.type)
    assert.ok(types.includes('key-auth.granted.v1'))
    assert.ok(types.includes('qos.rejected.v1'))
    const metrics = await kong.metrics()
    assert.match(metrics, /sluice_events_total\{[^}]*plugin="sluice",phase="access"[^}]*\} 1/)
    assert.doesNotMatch(metrics, /sluice_events_total\{[^}]*plugin="qos"/)
  })

  it('bounds what a subject has in flight, and frees the slot with the log event', async () => {
    const service = createHeldService()
    kong = await startHarness(plugin, {
      config: {
        qos: { default_tier: 'bronze', tiers: { bronze: { ...plenty, concurrency: 1 } } },
      },
      upstream: service.handle,
    })
    const first = kong.request('/')
    await until(() => service.waiting.length === 1)
    const second = await kong.request('/')
    assert.equal(second.status, 503)
    assert.equal(second.headers['retry-after'], '1')
    assert.match(second.body, /Too many requests at once/)
    service.answerAll()
    assert.equal((await first).status, 200)
    const third = kong.request('/')
    await until(() => service.waiting.length === 1)
    service.answerAll()
    assert.equal((await third).status, 200)
    const shed = kong.events.find(event => event.type === 'qos.shed.v1')
    assert.equal(shed?.data.reason, 'concurrency')
  })

  it('sheds the lowest tier first when its service has enough in flight', async () => {
    const service = createHeldService()
    kong = await startHarness(plugin, {
      config: {
        qos: {
          ...FROM_HEADER,
          tiers: { gold: { ...plenty, priority: 9 }, bronze: { ...plenty, priority: 1 } },
          overload: { min_limit: 2, initial_limit: 2, max_limit: 2 },
        },
      },
      upstream: service.handle,
    })
    const gold = ask('gold')
    await until(() => service.waiting.length === 1)
    // Gold has lately needed one, and may by chance need another: nothing is left for bronze.
    assert.equal((await ask('bronze')).status, 503)
    const another = ask('gold')
    await until(() => service.waiting.length === 2)
    assert.equal((await ask('gold')).status, 503)
    service.answerAll()
    assert.deepEqual([(await gold).status, (await another).status], [200, 200])
  })

  it('keeps gold served by a saturated service, where without `overload` it is refused', async () => {
    const tiers = { gold: { ...plenty, priority: 9 }, bronze: { ...plenty, priority: 1 } }
    const bounds = { min_limit: 4, initial_limit: 4, max_limit: 4 }
    const served = async (overload: object | undefined) => {
      const service = createFullService()
      kong = await startHarness(plugin, {
        config: { qos: { ...FROM_HEADER, tiers, ...(overload && { overload }) } },
        upstream: service.handle,
      })
      try {
        return await saturate(kong, service)
      } finally {
        await kong.close()
      }
    }
    const without = await served(undefined)
    assert.equal(without.gold, 0, 'bronze fills the queue before gold comes')
    const withIt = await served(bounds)
    assert.equal(withIt.gold, 1)
    assert.ok(withIt.bronze > 0.1 && withIt.bronze < 0.6, `bronze has ${withIt.bronze}`)
  })

  it('gives slot and debit back when the breaker rejects', async () => {
    let status = 500
    kong = await startHarness(plugin, {
      config: {
        qos: { default_tier: 'bronze', tiers: { bronze: { ...plenty, concurrency: 1 } } },
        circuit_breaker: { minimum_calls: 2, open_ms: 60_000 },
      },
      upstream: () => ({ status }),
    })
    for (let i = 0; i < 4; i++) await kong.request('/')
    const rejected = await kong.request('/')
    assert.equal(rejected.status, 503)
    assert.match(rejected.body, /circuit breaker/)
    status = 200
    const remaining = async () =>
      Number(/;r=(\d+)/.exec(String((await kong.request('/')).headers.ratelimit))?.[1])
    const before = await remaining()
    assert.ok((await remaining()) >= before)
  })

  it('counts a breaker’s very first request, too', async () => {
    let status = 200
    kong = await startHarness(plugin, {
      config: { circuit_breaker: { minimum_calls: 4, failure_rate: 50 } },
      upstream: () => ({ status }),
    })
    for (let i = 0; i < 3; i++) await kong.request('/')
    status = 500
    for (let i = 0; i < 2; i++) await kong.request('/')
    status = 200
    assert.equal((await kong.request('/')).status, 200, '2 of 5 have failed')
  })

  it('refuses concurrency and overload for qos alone, where nothing shows an answer', async () => {
    const { plugin: qos } = await import('../../../plugins/qos/plugin.ts')
    const tiers = { bronze: { ...plenty, concurrency: 1 } }
    await assert.rejects(startHarness(qos, { config: { default_tier: 'bronze', tiers } }), /concurrency/)
    kong = await startHarness(qos, { config: { default_tier: 'bronze', tiers: { bronze: plenty } } })
  })
})
