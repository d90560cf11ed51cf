/**
 * What an aggregate adds to its slowest path, beside a client that sends the same requests through the gateway itself.
 *
 *     node dist/bench/aggregate.js [requests]
 *
 * Parts: a (10 ms), b (30 ms), and c (10 ms) behind a; the slowest path takes 30 ms. One request at a time, the two ways
 * by turns. `SLUICE_BENCH_GATEWAY` names another gateway (behind-gateway.ts).
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { fetch } from 'undici'
import { startBehindGateway } from './behind-gateway.ts'
import { median, printTable } from './report.ts'

const REQUESTS = Number(process.argv[2] ?? 300)
const SLOWEST_MS = 30

const upstream = createServer(async (request, response) => {
  await pause(request.url?.startsWith('/b') ? 30 : 10)
  response.setHeader('content-type', 'application/json')
  response.end('{"id":1}')
})
await new Promise<void>(resolve => upstream.listen(0, '127.0.0.1', resolve))
const { port } = upstream.address() as AddressInfo
const parts = [
  { name: 'a', path: '/parts/a' },
  { name: 'b', path: '/parts/b' },
  { name: 'c', path: '/parts/c/{a.id}' },
]
const platform = await startBehindGateway({
  declaration: {
    _format_version: '3.0',
    services: [
      { name: 'parts', url: `http://127.0.0.1:${port}`, routes: [{ name: 'parts', paths: ['/parts'] }] },
    ],
    routes: [{ name: 'whole', paths: ['/whole'] }],
    plugins: [{ name: 'aggregate', route: 'whole', config: { parts } }],
  },
  probe: '/whole',
})

const get = async (path: string) => {
  const answer = await fetch(platform.proxy + path)
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  await answer.arrayBuffer()
}
const byHand = () => Promise.all([get('/parts/b'), get('/parts/a').then(() => get('/parts/c/1'))])
const times = { whole: [] as number[], byHand: [] as number[] }
try {
  for (let n = -20; n < REQUESTS; n++)
    for (const [way, ask] of [['whole', () => get('/whole')] as const, ['byHand', byHand] as const]) {
      const startedAt = performance.now()
      await ask()
      if (n >= 0) times[way].push(performance.now() - startedAt)
    }
} finally {
  await platform.close()
  upstream.close()
  upstream.closeAllConnections()
}

const at = (values: readonly number[], share: number) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length * share)] ?? Number.NaN
const row = (name: string, values: readonly number[]) => [
  name,
  `${median(values).toFixed(1)} ms`,
  `${at(values, 0.99).toFixed(1)} ms`,
  `${(median(values) - SLOWEST_MS).toFixed(1)} ms`,
]
printTable(
  [
    `${REQUESTS} requests`,
    'median',
    '99th percentile',
    `beyond the slowest path (${SLOWEST_MS} ms; goal: ≤ 5 ms)`,
  ],
  [row('aggregate', times.whole), row('the client itself, three requests', times.byHand)],
)
