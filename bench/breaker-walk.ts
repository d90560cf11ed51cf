/**
 * Walks the circuit breaker through an upstream's bad days, end to end: clients at a steady rate, a gateway, the
 * plugin server with a real Redis, and the sample service, which is made to fail, to refuse connections, to hang and
 * to be slow. With --write it draws docs/images/breaker-walk.svg and puts the table into the plugin's README.
 *
 * `node dist/bench/breaker-walk.js`; two minutes.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, fetch } from 'undici'
import { findService } from '../ops/local/find.ts'
import { type Sample as SampleService, startSample } from '../ops/local/sample.ts'
import type { Config } from '../plugins/circuit-breaker/config.ts'
import { startBehindGateway } from './behind-gateway.ts'
import { insertTable } from './breaker-readme.ts'
import { type Chapter, plotWalk, type Sample } from './breaker-walk-plot.ts'
import { median } from './report.ts'

const RATE_PER_SECOND = 40
const PLOT = 'docs/images/breaker-walk.svg'

const BREAKER: Partial<Config> = {
  window_ms: 5000,
  minimum_calls: 20,
  slow_call_ms: 500,
  slow_call_rate: 50,
  connection_failures: 5,
  open_ms: 2000,
  max_open_ms: 3000,
  half_open_permits: 3,
  probe_timeout_ms: 4000,
  recovery_ms: 5000,
}
const UPSTREAM_TIMEOUT_MS = 2000

const CHAPTERS: readonly Chapter[] = [
  { name: 'well', seconds: 6, behaviour: { mode: 'ok' } },
  { name: 'answers 500', seconds: 9, behaviour: { mode: 'fail', status: 500 } },
  { name: 'well again', seconds: 16, behaviour: { mode: 'ok' } },
  { name: 'refuses', seconds: 9, behaviour: { mode: 'refuse' } },
  { name: 'well again', seconds: 16, behaviour: { mode: 'ok' } },
  { name: 'hangs', seconds: 9, behaviour: { mode: 'hang' } },
  { name: 'well again', seconds: 18, behaviour: { mode: 'ok' } },
  { name: 'is slow', seconds: 9, behaviour: { mode: 'slow', delay_ms: 1000 } },
  { name: 'well again', seconds: 18, behaviour: { mode: 'ok' } },
]

async function walk(sample: SampleService, proxy: string): Promise<void> {
  const samples: Sample[] = []
  const startedAt = performance.now()
  const client = new Agent({ connections: 400, pipelining: 1 })
  const pending: Promise<void>[] = []
  let dueMs = 0
  for (const chapter of CHAPTERS) {
    await sample.behave(chapter.behaviour)
    const endMs = dueMs + chapter.seconds * 1000
    while (dueMs < endMs) {
      await sleep(Math.max(0, dueMs - (performance.now() - startedAt)))
      pending.push(request(proxy, client, startedAt).then(one => void samples.push(one)))
      dueMs += 1000 / RATE_PER_SECOND
    }
  }
  await Promise.all(pending)
  await client.close()
  samples.sort((a, b) => a.atMs - b.atMs)
  const table = summarize(samples)
  process.stdout.write(`${table}\n`)
  if (!process.argv.includes('--write')) return
  mkdirSync(path.dirname(PLOT), { recursive: true })
  writeFileSync(PLOT, plotWalk(samples, CHAPTERS))
  insertTable('bench/breaker-walk.ts', table)
}

function declaration(url: string): unknown {
  const timeouts = { connect_timeout: 1000, read_timeout: UPSTREAM_TIMEOUT_MS, write_timeout: 2000 }
  const plugins = [{ name: 'circuit-breaker', config: BREAKER }]
  const routes = [{ name: 'dictionary', paths: ['/'] }]
  return {
    _format_version: '3.0',
    services: [{ name: 'dictionary', url, retries: 0, ...timeouts, routes, plugins }],
  }
}

async function request(proxy: string, dispatcher: Agent, startedAt: number): Promise<Sample> {
  const sentAt = performance.now()
  const answer = await fetch(`${proxy}/good`, { dispatcher })
  await answer.text()
  return {
    atMs: sentAt - startedAt,
    tookMs: performance.now() - sentAt,
    status: answer.status,
    isRejected: answer.headers.get('content-type') === 'application/problem+json',
  }
}

function summarize(samples: readonly Sample[]): string {
  const lines = [
    '| the upstream | seconds | requests | reached it | of these failed or slow | rejected | a rejection takes | without a breaker each meets |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
  ]
  let fromMs = 0
  for (const { name, seconds, behaviour } of CHAPTERS) {
    const untilMs = fromMs + seconds * 1000
    const own = samples.filter(({ atMs }) => atMs >= fromMs && atMs < untilMs)
    fromMs = untilMs
    const rejected = own.filter(({ isRejected }) => isRejected)
    const reached = own.filter(({ isRejected }) => !isRejected)
    const bad = reached.filter(({ status, tookMs }) => status >= 500 || tookMs > 500)
    const without = { ok: '', fail: 'an error', refuse: 'an error', hang: '2,000 ms', slow: '1,000 ms' }
    lines.push(
      `| ${name} | ${seconds} | ${own.length} | ${reached.length} | ${bad.length} | ${rejected.length} | ${
        rejected.length > 0 ? `${median(rejected.map(({ tookMs }) => tookMs)).toFixed(1)} ms` : ''
      } | ${without[behaviour.mode]} |`,
    )
  }
  return lines.join('\n')
}

const redis = await findService('redis', { variables: 'SLUICE_', alone: true })
const sample = await startSample()
try {
  const platform = await startBehindGateway({
    declaration: declaration(sample.url),
    env: { SLUICE_REDIS_URL: redis.url },
    probe: '/health',
  })
  try {
    await walk(sample, platform.proxy)
  } finally {
    await platform.close()
  }
} finally {
  await sample.close()
  await redis.close()
}
