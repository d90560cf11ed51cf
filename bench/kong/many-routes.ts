/**
 * A real Kong with many routes, each with an entry of `sluice`, beside the same routes with an entry of Kong's own
 * `rate-limiting` (policy `local`): how long from a change of one entry to the first request that is decided by it, and
 * what the first request of each route costs after a change, when every instance is made anew.
 *
 *     node dist/bench/kong/many-routes.js [routes] [changes]
 *
 * Kong without a database, one worker; a change is a whole declaration by `POST /config`. Needs what bench/kong/run.ts
 * needs.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { median, printTable } from '../report.ts'
import { prepareStack, type RunningKong } from './stack.ts'

const ROUTES = Number(process.argv[2] ?? 10_000)
const CHANGES = Number(process.argv[3] ?? 3)
const SERVICES = 1_000
const CLIENTS = 16
const POLL_MS = 20
const WAIT_MS = 120_000
const PLENTY = { name: 'minute', requests: 6_000_000, per: 60 }

const sluiceEntry = (refuses: boolean) => ({
  name: 'sluice',
  config: {
    circuit_breaker: {},
    qos: {
      default_tier: 'all',
      limit_by: ['route'],
      tiers: { all: { limits: [refuses ? { name: 'day', requests: 1, per: 86_400 } : PLENTY] } },
    },
  },
})
const peerEntry = (refuses: boolean) => ({
  name: 'rate-limiting',
  config: { policy: 'local', limit_by: 'service', ...(refuses ? { day: 1 } : { minute: PLENTY.requests }) },
})
type EntryOf = (refuses: boolean) => object

/** Milliseconds, and microseconds of CPU time a request. */
interface Measured {
  readonly loadMs: number
  readonly rightMs: number
  readonly first: Cost
  readonly second: Cost
}
interface Cost {
  readonly kong: number
  readonly server: number
}

const stack = await prepareStack(['plain'])
try {
  const running = await stack.start()
  try {
    const [sluice, peer] = [await measure(running, sluiceEntry), await measure(running, peerEntry)]
    const seconds = (value: number) => `${(value / 1000).toFixed(2)} s`
    const micros = ({ kong, server }: Cost) => `${kong.toFixed(0)} + ${server.toFixed(0)} µs`
    const row = (what: string, cell: (side: Measured) => string) => [what, cell(sluice), cell(peer)]
    printTable(
      [`${ROUTES} routes over ${SERVICES} services, each with`, '`sluice`', '`rate-limiting`, local'],
      [
        row('POST /config of a change', side => seconds(side.loadMs)),
        row('from its start to the first request decided by it', side => seconds(side.rightMs)),
        row('first request of a route, CPU time of Kong + plugin server', side => micros(side.first)),
        row('its second request', side => micros(side.second)),
      ],
    )
  } finally {
    await running.stop()
  }
} finally {
  await stack.close()
}

async function measure(running: RunningKong, entryOf: EntryOf): Promise<Measured> {
  const loadMs: number[] = []
  const rightMs: number[] = []
  for (let change = 0; change < CHANGES; change++) {
    await configure(running, entryOf, undefined)
    await until(running, 0, 200)
    const startMs = performance.now()
    await configure(running, entryOf, 0)
    loadMs.push(performance.now() - startMs)
    await until(running, 0, 429)
    rightMs.push(performance.now() - startMs)
  }
  await configure(running, entryOf, undefined)
  await until(running, 0, 200)
  return {
    loadMs: median(loadMs),
    rightMs: median(rightMs),
    first: await round(running),
    second: await round(running),
  }
}

/** @param refused the route that admits nothing but its first request of the day */
async function configure(
  { adminPort }: RunningKong,
  entryOf: EntryOf,
  refused: number | undefined,
): Promise<void> {
  const services = Array.from({ length: SERVICES }, (_, service) => ({
    name: `service-${service}`,
    url: `http://127.0.0.1:${stack.upstreamPort}`,
    routes: Array.from({ length: ROUTES / SERVICES }, (_, n) => service * (ROUTES / SERVICES) + n).map(
      route => ({
        name: `route-${route}`,
        paths: [`/route-${route}/`],
        plugins: [entryOf(route === refused)],
      }),
    ),
  }))
  const response = await fetch(`http://127.0.0.1:${adminPort}/config`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ _format_version: '3.0', services }),
  })
  if (response.status !== 201) throw new Error(`POST /config: ${response.status} ${await response.text()}`)
  await response.arrayBuffer()
}

async function get({ port }: RunningKong, route: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/route-${route}/`)
  await response.arrayBuffer()
  return response.status
}

async function until(running: RunningKong, route: number, status: number): Promise<void> {
  const endMs = performance.now() + WAIT_MS
  while ((await get(running, route)) !== status) {
    if (performance.now() > endMs) throw new Error(`no ${status} within ${WAIT_MS / 1000} s`)
    await pause(POLL_MS)
  }
}

/** One request of every route; CPU time of each, microseconds. */
async function round(running: RunningKong): Promise<Cost> {
  const before = await running.cpu()
  let next = 0
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      for (let route = next++; route < ROUTES; route = next++) await get(running, route)
    }),
  )
  const after = await running.cpu()
  const micros = (part: 'Kong' | 'plugin server') => ((after[part] - before[part]) * 1000) / ROUTES
  return { kong: micros('Kong'), server: micros('plugin server') }
}
