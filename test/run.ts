/**
 * `node dist/test/run.js [FILE...]`: every test, or those in the files, in three processes of mocha at once.
 * `--unit`: only those that start no other program. The last line is `N passed, N failed` for all.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Counts, divide, isUnitTest, summary, total } from './support/suites.ts'

/** How long the longest take, in about the seconds of a quiet machine: it only decides which process runs them. */
const LONGEST: Readonly<Record<string, number>> = {
  'ops/local/up/up': 64,
  'events/gateway': 44,
  'dashboard/browser': 40,
  'catalogue/through-gateway': 40,
  'ops/local/up/refusal': 35,
  'cli/state': 32,
  'events/crash': 27,
  'contract/proxy-answers': 27,
  'ops/local/find': 24,
  'dashboard/browser-live': 25,
  'flask-sample/frontend': 20,
  'events/pipeline': 19,
  'cli/limits': 18,
  'plugin-server/kong-js/denials': 15,
  'management/kill-loops': 15,
  'flask-sample/openapi': 14,
  'cli/events': 13,
  'management/sessions': 11,
  'flask-sample/outbox': 11,
  'management/drift': 11,
  'management/live-events': 9,
  'cli/token': 9,
  'events/rabbitmq': 9,
  'ops/build/package': 9,
  'discovery/discover': 9,
  'cli/breaker': 8,
  'management/openapi': 8,
  'contract/admin-answers': 8,
  'plugins/qos/failover': 8,
  'catalogue/merge': 8,
  'flask-sample/operation': 7,
  'contract/plugins': 7,
  'plugins/circuit-breaker/streams': 7,
  'plugins/circuit-breaker/end-to-end': 7,
  'events/planted': 7,
  'kong/reconcile/random': 7,
  'cli/validate': 6,
  'flask-sample/users': 6,
  'plugins/upstream-token/end-to-end': 6,
  'cli/new': 6,
  'management/server': 5,
  'ops/deploy/dashboard': 5,
}
const OTHERS = 1
/** Most of the time goes by waiting: one process more than a small machine has cores uses them better than two. */
const PROCESSES = 3

const dist = path.dirname(import.meta.dirname)
const named = process.argv.slice(2).filter(argument => !argument.startsWith('--'))
const all = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
  .filter(file => file.endsWith('.test.js'))
  .map(file => path.join(import.meta.dirname, file))
const secondsOf = (file: string) =>
  LONGEST[path.relative(import.meta.dirname, file).replace('.test.js', '')] ?? OTHERS
const mocha = createRequire(import.meta.url).resolve('mocha/bin/mocha.js')

/** What the other processes print, each shown whole behind the first's. */
const behind = new Map<string, Buffer[]>()

async function run(
  files: readonly string[],
  countsFile: string,
  isFirst: boolean,
): Promise<Counts | undefined> {
  const child = spawn(process.execPath, [mocha, ...files], {
    env: { ...process.env, SLUICE_TEST_COUNTS: countsFile },
    stdio: isFirst ? 'inherit' : ['ignore', 'pipe', 'pipe'],
  })
  const printed: Buffer[] = []
  behind.set(countsFile, printed)
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', chunk => printed.push(chunk))
  await once(child, 'close')
  try {
    return JSON.parse(readFileSync(countsFile, 'utf8')) as Counts
  } catch {
    process.stderr.write('a process of mocha ended before its tests did\n')
    return undefined
  }
}

const folder = mkdtempSync(path.join(tmpdir(), 'sluice-test-'))
const files = named.length > 0 ? named : all
const chosen = process.argv.includes('--unit') ? files.filter(file => isUnitTest(file, dist)) : files
const parts = divide(chosen, PROCESSES, secondsOf).filter(part => part.length > 0)
const counts = total(
  await Promise.all(parts.map((part, index) => run(part, path.join(folder, String(index)), index === 0))),
)
rmSync(folder, { recursive: true })
for (const printed of behind.values()) process.stdout.write(Buffer.concat(printed))
process.stdout.write(`${summary(counts)}\n`)
process.exitCode = counts.failures > 0 ? 1 : 0
