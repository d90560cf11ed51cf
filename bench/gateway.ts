/**
 * Requests per second of the local gateway, and its memory: `node dist/bench/gateway.js`. The goal is 5,000 on a
 * key-auth route with two cores, which the gateway, the upstream and the client share, and memory that does not grow
 * over 200,000 requests. The bare upstream in the same run tells how busy the machine is.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createNetServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { runLoad } from './http-load.ts'

const CONNECTIONS = 32
const WARM_UP = 20_000
const REQUESTS = 50_000
const ROUNDS_OF_MEMORY = 5
const GOAL_PER_SECOND = 5_000
const GOAL_GROWTH_MB = 20

if (process.argv[2] === 'upstream') serveUpstream()
else await main()

function serveUpstream(): void {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '15' })
    response.end('{"hello":"you"}')
  })
  server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port))
}

async function main(): Promise<void> {
  const children: ChildProcess[] = []
  try {
    const upstream = spawn(process.execPath, [fileURLToPath(import.meta.url), 'upstream'], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    children.push(upstream)
    const [upstreamPort] = (await once(upstream, 'message')) as [number]
    const [proxy, admin] = [await freePort(), await freePort()]
    const gateway = spawn(
      process.execPath,
      [fileURLToPath(new URL('../cli/sluice.js', import.meta.url)), 'gateway'],
      {
        env: {
          PATH: process.env.PATH,
          KONG_PROXY_LISTEN: `127.0.0.1:${proxy}`,
          KONG_ADMIN_LISTEN: `127.0.0.1:${admin}`,
          KONG_LOG_LEVEL: 'error',
        },
        stdio: ['ignore', 'ignore', 'inherit'],
      },
    )
    children.push(gateway)
    await configure(`http://127.0.0.1:${admin}`, upstreamPort)
    await measure(gateway.pid!, proxy, upstreamPort)
  } finally {
    for (const child of children) child.kill('SIGTERM')
  }
}

async function measure(pid: number, proxy: number, upstream: number): Promise<void> {
  const key = { apikey: 'bench-key' }
  const cases = [
    ['the upstream alone', upstream, '/', {}, '200'],
    ['a route without plugins', proxy, '/open', {}, '200'],
    ['a key-auth route', proxy, '/keyed', key, '200'],
    ['a key-auth route, no key', proxy, '/keyed', {}, '401'],
  ] as const
  const rates = new Map<string, number>()
  for (const [name, port, path, headers, status] of cases) {
    const load = { port, connections: CONNECTIONS, path, headers }
    await runLoad({ ...load, requests: WARM_UP })
    const { perSecond, statuses } = await runLoad({ ...load, requests: REQUESTS })
    if (statuses[status] !== REQUESTS) throw new Error(`${name}: ${JSON.stringify(statuses)}`)
    rates.set(name, perSecond)
    print(name, `${Math.round(perSecond).toLocaleString('en')} requests/s`)
  }
  const memory: number[] = []
  for (let round = 0; round < ROUNDS_OF_MEMORY; round++) {
    memory.push(residentMb(pid))
    if (round < ROUNDS_OF_MEMORY - 1)
      await runLoad({
        port: proxy,
        connections: CONNECTIONS,
        path: '/keyed',
        headers: key,
        requests: REQUESTS,
      })
  }
  const total = ((ROUNDS_OF_MEMORY - 1) * REQUESTS).toLocaleString('en')
  print(`memory over ${total} more requests`, memory.map(mb => `${mb.toFixed(0)} MB`).join(', '))
  const growth = memory.at(-1)! - memory[0]!
  const rate = rates.get('a key-auth route')!
  print('goal: 5,000 requests/s with key-auth', rate >= GOAL_PER_SECOND ? 'met' : 'MISSED')
  print(`goal: grows by less than ${GOAL_GROWTH_MB} MB`, growth < GOAL_GROWTH_MB ? 'met' : 'MISSED')
}

function print(name: string, value: string): void {
  process.stdout.write(`${name.padEnd(44)} ${value}\n`)
}

function residentMb(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kilobytes) / 1_024
}

async function configure(adminUrl: string, upstreamPort: number): Promise<void> {
  for (let tries = 0; ; tries++) {
    if (await fetch(`${adminUrl}/status`).catch(() => undefined)) break
    if (tries > 200) throw new Error('the gateway did not start')
    await sleep(50)
  }
  const post = async (path: string, body: unknown) => {
    const response = await fetch(`${adminUrl}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`${path}: ${await response.text()}`)
  }
  await post('/services', { name: 'bench', url: `http://127.0.0.1:${upstreamPort}` })
  await post('/services/bench/routes', { name: 'open', paths: ['/open'] })
  await post('/services/bench/routes', { name: 'keyed', paths: ['/keyed'] })
  await post('/routes/keyed/plugins', { name: 'key-auth' })
  await post('/consumers', { username: 'bench' })
  await post('/consumers/bench/key-auth', { key: 'bench-key' })
}

async function freePort(): Promise<number> {
  const server = createNetServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}
