/**
 * Overload end to end: consumers of two tiers send twice what a service can bear, through the gateway and the composed
 * plugin; once without `overload` in its configuration, once with it. `node dist/bench/overload.js [seconds]`; a
 * minute and a half. SLUICE_BENCH_GATEWAY: see behind-gateway.ts.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, fetch } from 'undici'
import { startBehindGateway } from './behind-gateway.ts'
import { type Capacity, type LimitedUpstream, startLimitedUpstream } from './limited-upstream.ts'
import { median, printTable } from './report.ts'
import { createRandom } from './virtual-time.ts'

const SECONDS = Number(process.argv[2] ?? 15)
/** What comes before counts for nobody: the limit is still being learnt. */
const WARM_UP_SECONDS = 5
/** Both serve 200 requests a second. */
const SERVICES: Readonly<Record<string, Capacity>> = {
  'refuses when 15 wait': { slots: 4, serviceMs: 20, queue: 15 },
  'lets all wait': { slots: 4, serviceMs: 20, queue: Number.POSITIVE_INFINITY },
}
/** Requests a second: 400 in all. */
const RATES = { gold: 60, bronze: 340 } as const
/** Later is no success for a client. */
const PATIENCE_MS = 1000

type Tier = keyof typeof RATES
const TIERS = Object.keys(RATES) as readonly Tier[]

interface Seen {
  readonly tier: Tier
  /** 0: not answered in time. */
  readonly status: number
  readonly tookMs: number
  /** By the plugin: the service was not asked. */
  readonly isShed: boolean
}

interface Case {
  readonly service: string
  readonly overload: 'without' | 'with'
  /** First part of its path. */
  readonly name: string
  readonly upstream: LimitedUpstream
}

async function startCases(): Promise<Case[]> {
  const cases: Case[] = []
  for (const [service, capacity] of Object.entries(SERVICES))
    for (const overload of ['without', 'with'] as const) {
      const upstream = await startLimitedUpstream(capacity)
      cases.push({ service, overload, name: `case-${cases.length}`, upstream })
    }
  return cases
}

function declaration(cases: readonly Case[]): unknown {
  const limits = [{ name: 'minute', requests: 1_000_000, per: 60 }]
  const qos = {
    default_tier: 'bronze',
    tier_by: { source: 'username', map: { gold: 'gold' } },
    tiers: { gold: { limits, priority: 9 }, bronze: { limits, priority: 1 } },
  }
  return {
    _format_version: '3.0',
    consumers: TIERS.map(username => ({ username, keyauth_credentials: [{ key: username }] })),
    services: cases.map(({ name, overload, upstream }) => ({
      name,
      url: upstream.url,
      retries: 0,
      routes: [{ name, paths: [`/${name}`] }],
      plugins: [
        { name: 'key-auth' },
        { name: 'sluice', config: { qos: { ...qos, ...(overload === 'with' && { overload: {} }) } } },
      ],
    })),
  }
}

async function drive(url: string): Promise<Seen[]> {
  const random = createRandom(42)
  const client = new Agent({ connections: 500, pipelining: 1 })
  const pending: Promise<Seen>[] = []
  const startedAt = performance.now()
  const perMs = (RATES.gold + RATES.bronze) / 1000
  let dueMs = 0
  while (dueMs < (WARM_UP_SECONDS + SECONDS) * 1000) {
    const earlyMs = dueMs - (performance.now() - startedAt)
    if (earlyMs >= 1) await sleep(earlyMs)
    const tier = random() < RATES.gold / (RATES.gold + RATES.bronze) ? 'gold' : 'bronze'
    const asked = request(url, tier, client)
    if (dueMs >= WARM_UP_SECONDS * 1000) pending.push(asked)
    // Poisson's arrivals.
    dueMs += -Math.log(1 - random()) / perMs
  }
  const seen = await Promise.all(pending)
  await client.destroy()
  return seen
}

async function request(url: string, tier: Tier, dispatcher: Agent): Promise<Seen> {
  const sentAt = performance.now()
  const tookMs = () => performance.now() - sentAt
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS)
    const answer = await fetch(url, { dispatcher, signal, headers: { apikey: tier } })
    await answer.text()
    return { tier, status: answer.status, tookMs: tookMs(), isShed: answer.headers.has('retry-after') }
  } catch {
    return { tier, status: 0, tookMs: tookMs(), isShed: false }
  }
}

function rowOf({ service, overload }: Case, tier: Tier, seen: readonly Seen[]): string[] {
  const own = seen.filter(one => one.tier === tier)
  const ok = own.filter(({ status }) => status === 200)
  const share = (part: number) => `${((100 * part) / own.length).toFixed(1)} %`
  const shed = own.filter(({ isShed }) => isShed).length
  const times = ok.map(({ tookMs }) => tookMs)
  return [
    service,
    overload,
    tier,
    String(own.length),
    share(ok.length),
    share(shed),
    share(own.length - ok.length - shed),
    times.length > 0 ? `${Math.round(median(times))} ms` : '',
  ]
}

const cases = await startCases()
try {
  const platform = await startBehindGateway({
    declaration: declaration(cases),
    probe: `/${cases[0]!.name}?apikey=gold`,
  })
  try {
    const rows: string[][] = []
    for (const one of cases) {
      const seen = await drive(`${platform.proxy}/${one.name}`)
      for (const tier of TIERS) rows.push(rowOf(one, tier, seen))
    }
    const failed = 'failed in the service, or too late'
    printTable(
      ['the service', '`overload`', 'tier', 'requests', 'answered 200', 'shed', failed, 'a 200 takes'],
      rows,
    )
  } finally {
    await platform.close()
  }
} finally {
  for (const { upstream } of cases) upstream.close()
}
