/**
 * How long after Consul knows of a change Kong has it: from the answer to a blocking query of our own until the Admin
 * API shows the target. A real Consul, `sluice discover` in a process of its own, and the local gateway's Admin API, or
 * any Kong with a database by SLUICE_BENCH_ADMIN_URL. `node dist/bench/discovery.js`
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { findService } from '../ops/local/find.ts'
import { freePorts } from '../ops/local/ports.ts'
import { startAdminServer } from '../test/support/admin-server.ts'
import { testConsul } from '../test/support/consul.ts'
import { printTable } from './report.ts'

const CHANGES = 200
const SERVICE = 'bench'
const SLUICE = fileURLToPath(new URL('../cli/sluice.js', import.meta.url))

async function json(url: string, options?: RequestInit): Promise<unknown> {
  return (await fetch(url, options)).json()
}

/** Resolves when Consul answers with this many instances. */
async function untilConsul(url: string, count: number): Promise<void> {
  for (let index = '0'; ; ) {
    const answer = await fetch(`${url}/v1/health/service/${SERVICE}?passing=true&index=${index}`)
    index = answer.headers.get('x-consul-index') ?? '0'
    if (((await answer.json()) as unknown[]).length === count) return
  }
}

async function untilKong(url: string, count: number): Promise<void> {
  for (;;) {
    const { data } = (await json(url)) as { data: unknown[] }
    if (data.length === count) return
  }
}

const given = process.env.SLUICE_BENCH_ADMIN_URL
const own = given === undefined ? await startAdminServer() : undefined
const adminUrl = given ?? own!.url
const server = await findService('consul', { variables: 'SLUICE_TEST_', alone: true })
const consul = testConsul(server.url)
const upstream = (await json(`${adminUrl}/upstreams`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ name: `${SERVICE}.upstream`, tags: [`consul:${SERVICE}`] }),
})) as { id: string }
const targets = `${adminUrl}/upstreams/${upstream.id}/targets`
const discover = spawn(
  process.execPath,
  [SLUICE, 'discover', '--admin-url', adminUrl, '--consul-url', server.url],
  {
    env: { PATH: process.env.PATH, SLUICE_LOG_LEVEL: 'warn' },
    stdio: 'inherit',
  },
)
const ports = (await freePorts(2)) as [number, number]
const delaysMs: number[] = []
try {
  await consul.register(SERVICE, ports[0])
  await untilKong(targets, 1)
  for (let n = 0; n < CHANGES; n++) {
    const count = n % 2 === 0 ? 2 : 1
    const known = untilConsul(server.url, count).then(() => performance.now())
    await (count === 2 ? consul.register(SERVICE, ports[1]) : consul.deregister(SERVICE, ports[1]))
    const knownAt = await known
    await untilKong(targets, count)
    delaysMs.push(Math.max(0, performance.now() - knownAt))
  }
} finally {
  const ended = once(discover, 'exit')
  discover.kill('SIGTERM')
  await ended
  await fetch(`${adminUrl}/upstreams/${upstream.id}`, { method: 'DELETE' })
  await server.close()
  await own?.close()
}
delaysMs.sort((a, b) => a - b)
const at = (share: number) => `${delaysMs[Math.ceil(share * delaysMs.length) - 1]!.toFixed(1)} ms`
printTable(
  ['changes', 'median', 'p95', 'p99', 'longest'],
  [[String(CHANGES), at(0.5), at(0.95), at(0.99), at(1)]],
)
