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
  'ops/local/up/up': 64,
  'events/gateway': 44,
  'dashboard/browser': 40,
  'catalogue/through-gateway': 40,
  'ops/local/up/refusal': 35,
  'cli/state': 32,
  'events/crash': 27,
  'contract/proxy-answers': 27,
  'ops/local/find': 24,
  'dashboard/browser-live': 22,
  'dashboard/browser-pages': 20,
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
