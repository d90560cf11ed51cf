/**
 * What a plan and an apply of 1,000 services, 2,000 routes and 5,000 consumers with a key each cost: seconds and
 * requests, some at once against one after another, and the second apply. Against the local gateway's Admin API in a
 * process of its own, or any empty Kong by SLUICE_BENCH_ADMIN_URL. `node dist/bench/apply.js`
 */
import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { AdminClient } from '../kong/admin/client.ts'
import { wait } from '../kong/admin/retry.ts'
import { applyChanges } from '../kong/reconcile/apply.ts'
import { readDeclared } from '../kong/reconcile/files/declared.ts'
import { readSource } from '../kong/reconcile/files/source.ts'
import { planState } from '../kong/reconcile/plan.ts'
import { startAdminServer } from '../test/support/admin-server.ts'

const SERVICES = 1_000
const ROUTES_EACH = 2
const CONSUMERS = 5_000
const TOGETHER = 10

const parts = { monotonic: () => performance.now(), random: Math.random, wait }

function state(): string {
  return stringify({
    _format_version: '3.0',
    _info: { select_tags: ['bench'] },
    services: Array.from({ length: SERVICES }, (_, i) => ({
      name: `service-${i}`,
      url: `http://10.0.${i >> 8}.${i & 255}:8080`,
      routes: Array.from({ length: ROUTES_EACH }, (_r, j) => ({
        name: `route-${i}-${j}`,
        paths: [`/service-${i}/${j}`],
      })),
    })),
    consumers: Array.from({ length: CONSUMERS }, (_, i) => ({
      username: `consumer-${i}`,
      keyauth_credentials: [{ key: `key-of-consumer-${i}` }],
    })),
  })
}

interface Measured {
  readonly planSeconds: number
  readonly applySeconds: number
  readonly reads: number
  readonly writes: number
}

async function measure(url: string, yaml: string, concurrency: number): Promise<Measured> {
  const client = new AdminClient({ url, connections: concurrency })
  try {
    const startedAt = performance.now()
    const declared = readDeclared([readSource(yaml, 'bench.yaml', {})])
    const plan = await planState(client, declared, { selectTags: ['bench'], newId: randomUUID })
    const plannedAt = performance.now()
    await applyChanges(
      client,
      plan,
      {
        concurrency,
        retryForMs: 10_000,
        selectTags: plan.selectTags,
        watcher: { applied() {}, undone() {}, retrying() {} },
      },
      parts,
    )
    return {
      planSeconds: (plannedAt - startedAt) / 1000,
      applySeconds: (performance.now() - plannedAt) / 1000,
      ...client.requests,
    }
  } finally {
    await client.close()
  }
}

async function run(url: string): Promise<void> {
  const yaml = state()
  const empty = '_format_version: "3.0"\n'
  const rows: [string, Measured][] = []
  const note = async (label: string, text: string, concurrency: number) => {
    const measured = await measure(url, text, concurrency)
    rows.push([label, measured])
    return measured
  }
  const single = await note('create, one after another', yaml, 1)
  await note(`delete, ${TOGETHER} at once`, empty, TOGETHER)
  const some = await note(`create, ${TOGETHER} at once`, yaml, TOGETHER)
  const again = await note('second apply', yaml, TOGETHER)
  await note('delete, one after another', empty, 1)

  const entities = SERVICES * (1 + ROUTES_EACH) + CONSUMERS * 2
  console.log(
    `${entities} entities (${SERVICES} services, ${SERVICES * ROUTES_EACH} routes, ${CONSUMERS} consumers with a key)`,
  )
  console.log('| | plan s | apply s | reads | writes |\n| --- | --- | --- | --- | --- |')
  for (const [label, m] of rows)
    console.log(
      `| ${label} | ${m.planSeconds.toFixed(2)} | ${m.applySeconds.toFixed(2)} | ${m.reads} | ${m.writes} |`,
    )
  console.log(
    `${TOGETHER} at once: ${(single.applySeconds / some.applySeconds).toFixed(2)} × as fast as one after another`,
  )
  if (again.writes > 0) throw new Error(`the second apply wrote ${again.writes} times`)
}

async function startGateway(): Promise<{ url: string; process: ChildProcess }> {
  const child = fork(fileURLToPath(import.meta.url), ['serve'], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const [url] = (await once(child, 'message')) as [string]
  return { url, process: child }
}

if (process.argv[2] === 'serve') {
  const { url } = await startAdminServer()
  process.send!(url)
  process.on('disconnect', () => process.exit(0))
} else if (process.env.SLUICE_BENCH_ADMIN_URL) await run(process.env.SLUICE_BENCH_ADMIN_URL)
else {
  const gateway = await startGateway()
  try {
    await run(gateway.url)
  } finally {
    gateway.process.kill()
  }
}
