/**
 * `node dist/test/run.js [FILE...]`: every test, or those in the files, in three processes of mocha at once.
 * `--unit`: only those that start no other program. The last line is `N passed, N failed` for all.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { divide, failedFiles, failureLines, isUnitTest, type Outcomes, summary } from './support/suites.ts'

/** How long the longest take, in about the seconds of a quiet machine: it only decides which process runs them. */
const LONGEST: Readonly<Record<string, number>> = {
  'ops/local/up/up': 75,
  'dashboard/browser': 60,
  'events/gateway': 36,
  'flask-sample/frontend': 35,
  'ops/local/up/refusal': 34,
  'plugin-server/kong-js/denials': 28,
  'events/crash': 25,
  'catalogue/through-gateway': 25,
  'management/broken-parts': 24,
  'management/sessions': 23,
  'management/kill-loops': 22,
  'events/rabbitmq': 21,
  'ops/build/package': 20,
  'dashboard/browser-live': 20,
  'ops/local/find': 19,
  'contract/proxy-answers': 19,
  'events/pipeline': 17,
  'discovery/discover': 17,
  'cli/state': 17,
  'management/drift': 15,
  'kong/reconcile/random': 14,
  'cli/limits': 13,
  'plugins/qos/failover': 12,
  'plugins/circuit-breaker/streams': 12,
  'plugins/circuit-breaker/end-to-end': 12,
  'flask-sample/openapi': 12,
  'plugins/upstream-token/end-to-end': 11,
  'dashboard/browser-pages': 11,
  'management/openapi': 10,
  'management/live-events': 10,
  'flask-sample/operation': 10,
  'events/planted': 10,
  'plugin-server/stores/connection': 9,
  'flask-sample/outbox': 9,
  'ops/deploy/dashboard': 8,
  'events/postgres': 8,
  'plugins/qos/outage': 7,
  'contract/plugins': 7,
  'cli/events': 7,
  'management/server': 6,
  'cli/breaker': 6,
  'catalogue/merge': 6,
  'plugins/response-cache/nodes': 5,
  'plugins/request-log/plugin': 5,
  'plugins/qos/nodes': 5,
  'plugin-server/stores/redis': 5,
  'management/random-changes': 5,
  'contract/admin-answers': 5,
  'cli/token': 5,
  'cli/serve-workers': 5,
  'cli/doctor/doctor': 5,
  'cli/command': 5,
  suites: 4,
}
const OTHERS = 1
/** Most of the time goes by waiting: one process more than a small machine has cores uses them better than two. */
const PROCESSES = 3

/** With more failed files than these, the change is at fault and not the machine. */
const MOST_RUN_ALONE = 5

const dist = path.dirname(import.meta.dirname)
const named = process.argv.slice(2).filter(argument => !argument.startsWith('--'))
const all = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
  .filter(file => file.endsWith('.test.js'))
  .map(file => path.join(import.meta.dirname, file))
const secondsOf = (file: string) =>
  LONGEST[path.relative(import.meta.dirname, file).replace('.test.js', '')] ?? OTHERS
const mocha = createRequire(import.meta.url).resolve('mocha/bin/mocha.js')

/** What the other processes print, each shown whole behind the first's. */
const behind: Buffer[][] = []

/** Runs the files in one process of mocha. One that ends without a word of what came of them has failed. */
async function run(files: readonly string[], isShown: boolean): Promise<Outcomes> {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-test-'))
  const outcomes = path.join(folder, 'outcomes.json')
  const child = spawn(process.execPath, [mocha, ...files], {
    env: { ...process.env, SLUICE_TEST_OUTCOMES: outcomes },
    stdio: isShown ? 'inherit' : ['ignore', 'pipe', 'pipe'],
  })
  const printed: Buffer[] = []
  behind.push(printed)
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', chunk => printed.push(chunk))
  await once(child, 'close')
  try {
    return JSON.parse(readFileSync(outcomes, 'utf8'))
  } catch {
    const failure = { title: 'ended before its tests did', message: files.join(' ') }
    return { [`a process that began with ${files[0]}`]: { passes: 0, pending: 0, failures: [failure] } }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/**
 * In CI, whose machines are shared, a file that failed beside the others runs once more, alone, and what came of it then
 * counts. Both are printed: a test that needs a quiet machine is a fault, though not one that stops a change.
 */
async function runAlone(first: Outcomes): Promise<Outcomes> {
  const again = failedFiles(first).filter(file => existsSync(file))
  if (again.length > MOST_RUN_ALONE) return first
  const second: Record<string, Outcomes[string]> = {}
  for (const file of again) Object.assign(second, await run([file], true))
  return { ...first, ...second }
}

const files = named.length > 0 ? named : all
const chosen = process.argv.includes('--unit') ? files.filter(file => isUnitTest(file, dist)) : files
const parts = divide(chosen, PROCESSES, secondsOf).filter(part => part.length > 0)
const first: Outcomes = Object.assign(
  {},
  ...(await Promise.all(parts.map((part, index) => run(part, index === 0)))),
)
for (const printed of behind) process.stdout.write(Buffer.concat(printed))
for (const line of failureLines(first)) process.stdout.write(`failed: ${line}\n`)
const last = process.env.CI ? await runAlone(first) : first
if (last !== first)
  for (const line of failureLines(last)) process.stdout.write(`failed also alone: ${line}\n`)
process.stdout.write(`${summary(last)}\n`)
process.exitCode = failedFiles(last).length > 0 ? 1 : 0
