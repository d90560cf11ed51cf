/**
 * Walks the circuit breaker through an upstream's bad days, end to end: clients at a steady rate, a gateway, the
 * plugin server with a real Redis, and the sample service, which is made to fail, to refuse connections, to hang and
 * to be slow. With --write it draws docs/images/breaker-walk.svg and puts the table into the plugin's README.
 *
 * `node dist/bench/breaker-walk.js`; two minutes. The gateway is `sluice gateway`; SLUICE_BENCH_GATEWAY names another
 * command, which gets the same KONG_* variables and stays in the foreground.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, fetch } from 'undici'
import { findService } from '../ops/local/find.ts'
import { freePorts } from '../ops/local/ports.ts'
import { type Behaviour, startSample } from '../ops/local/sample.ts'
import type { Config } from '../plugins/circuit-breaker/config.ts'
import { insertTable } from './breaker-readme.ts'
import { plotWalk } from './breaker-walk-plot.ts'

const RATE_PER_SECOND = 40
const PLOT = 'docs/images/breaker-walk.svg'
const CLI = path.resolve(import.meta.dirname, '..', 'cli', 'sluice.js')

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

export interface Chapter {
  readonly name: string
  readonly seconds: number
  readonly behaviour: Behaviour
}

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

/** One request as its client saw it. */
export interface Sample {
  /** When it was sent, milliseconds from the beginning. */
  readonly atMs: number
  readonly tookMs: number
  readonly status: number
  /** By the breaker: the upstream was not asked. */
  readonly isRejected: boolean
}

const folder = mkdtempSync(path.join(tmpdir(), 'sluice-walk-'))
const endings: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })]

async function walk(): Promise<void> {
  const [proxyPort, adminPort] = (await freePorts(2)) as [number, number]
  const redis = await findService('redis', { variables: 'SLUICE_', alone: true })
  endings.push(() => redis.close())
  const sample = await startSample()
  endings.push(() => sample.close())
  const proxy = `http://127.0.0.1:${proxyPort}`
  const env: Record<string, string> = {
    ...(process.env as Record<string, string>),
    SLUICE_SOCKET: path.join(folder, 'sluice.sock'),
    SLUICE_SPOOL_DIR: path.join(folder, 'spool'),
    SLUICE_HTTP: 'off',
    SLUICE_REDIS_URL: redis.url,
    SLUICE_FINGERPRINT_SECRET: 'only-for-this-walk',
  }
  start(process.execPath, [CLI, 'serve'], env)
  const declared = path.join(folder, 'kong.json')
  writeFileSync(declared, JSON.stringify(declaration(sample.url)))
  const gateway = process.env.SLUICE_BENCH_GATEWAY
  const kong = {
    ...env,
    ...(await kongSettings(env)),
    KONG_DATABASE: 'off',
    KONG_DECLARATIVE_CONFIG: declared,
    KONG_PREFIX: path.join(folder, 'kong'),
    KONG_PROXY_LISTEN: `127.0.0.1:${proxyPort}`,
    KONG_ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
  }
  if (gateway === undefined) start(process.execPath, [CLI, 'gateway'], kong)
  else start('/bin/sh', ['-c', gateway], kong)
  await ready(proxy)

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

async function kongSettings(env: Record<string, string>): Promise<Record<string, string>> {
  const dumps = path.join(folder, 'dumps')
  await output([CLI, 'dump', '--out', dumps], env)
  const text = await output([CLI, 'kong-conf', '--format', 'env', '--dump-dir', dumps], env)
  const lines = text.matchAll(/^(KONG_\w+)=(?:'(.*)'|(.*))$/gm)
  return Object.fromEntries([...lines].map(([, name, quoted, bare]) => [name!, quoted ?? bare!]))
}

async function output(args: readonly string[], env: Record<string, string>): Promise<string> {
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  for await (const chunk of child.stdout) text += String(chunk)
  return text
}

function start(command: string, args: readonly string[], env: Record<string, string>): void {
  const child = spawn(command, args, {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
    detached: true,
  })
  endings.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    process.kill(-child.pid!, 'SIGTERM')
    await ended
  })
}

async function ready(proxy: string): Promise<void> {
  for (let i = 0; i < 300; i++) {
    const ok = await fetch(`${proxy}/health`).then(
      async answer => {
        await answer.text()
        return answer.status === 200
      },
      () => false,
    )
    if (ok) return
    await sleep(100)
  }
  throw new Error('the gateway did not answer within 30 s')
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

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!

try {
  await walk()
} finally {
  for (const end of endings.reverse()) await end()
}
