/**
 * `node dist/test/run.js [FILE...]`: every test, or those in the files, in some processes of mocha at once. `--unit`: only
 * those that start no other program. The last line is `N passed, N failed` for all.
 */
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { runFiles } from './support/pool.ts'
import { failedFiles, failureLines, inGroups, isUnitTest, type Outcomes, summary } from './support/suites.ts'

/**
 * Those that take longest, which begin first, so that none is left alone at the end. Files of one line share a service
 * that takes long to start, so one process runs them.
 */
const LONGEST: readonly (readonly string[])[] = [
  ['ops/local/up/up'],
  ['events/gateway', 'events/crash', 'events/rabbitmq'],
  ['flask-sample/frontend', 'catalogue/through-gateway'],
  ['dashboard/browser'],
  ['ops/local/up/refusal'],
  ['management/broken-parts', 'management/live-events', 'management/kill-loops', 'dashboard/browser-live'],
  ['plugin-server/kong-js/denials'],
  ['flask-sample/outbox', 'flask-sample/products', 'flask-sample/users', 'flask-sample/upstream-token'],
  ['ops/local/find', 'management/undo-queue', 'cli/doctor/doctor'],
  ['management/openapi'],
  ['management/sessions'],
  ['contract/proxy-answers'],
  ['cli/state'],
  ['dashboard/browser-pages'],
  ['flask-sample/operation'],
  ['kong/reconcile/random'],
  ['management/drift'],
  ['plugins/circuit-breaker/end-to-end'],
  ['ops/build/package'],
  ['cli/limits'],
  ['events/pipeline'],
  ['plugins/qos/failover'],
  ['discovery/discover'],
  ['management/large-changes'],
  ['plugins/circuit-breaker/streams'],
  ['events/planted'],
  ['plugin-server/stores/connection'],
  ['cli/token'],
  ['plugins/response-cache/nodes'],
  ['ops/deploy/dashboard'],
  ['plugins/request-log/plugin'],
  ['plugins/upstream-token/end-to-end'],
  ['kong/reconcile/dump'],
  ['kong/desired/json-schema'],
  ['plugins/aggregate/trace'],
  ['catalogue/merge'],
]

/** Much of the time goes by waiting: more processes than a small machine has cores use them better. */
const PROCESSES = 4

/** With more failed files than these, the change is at fault and not the machine. */
const MOST_RUN_ALONE = 5

const dist = path.dirname(import.meta.dirname)
const named = process.argv.slice(2).filter(argument => !argument.startsWith('--'))
const all = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
  .filter(file => file.endsWith('.test.js'))
  .map(file => path.join(import.meta.dirname, file))
/**
 * In CI, whose machines are shared, a file that failed beside the others runs once more, alone, and what came of it then
 * counts. Both are printed: a test that needs a quiet machine is a fault, though not one that stops a change.
 */
async function runAlone(first: Outcomes): Promise<Outcomes> {
  const again = failedFiles(first).filter(file => existsSync(file))
  if (again.length > MOST_RUN_ALONE) return first
  const second: Record<string, Outcomes[string]> = {}
  for (const file of again) Object.assign(second, await runFiles([[file]], 1))
  return { ...first, ...second }
}

const files = named.length > 0 ? named : all
const chosen = process.argv.includes('--unit') ? files.filter(file => isUnitTest(file, dist)) : files
const first = await runFiles(inGroups(chosen, LONGEST), PROCESSES)
for (const line of failureLines(first)) process.stdout.write(`failed: ${line}\n`)
const last = process.env.CI ? await runAlone(first) : first
if (last !== first)
  for (const line of failureLines(last)) process.stdout.write(`failed also alone: ${line}\n`)
process.stdout.write(`${summary(last)}\n`)
process.exitCode = failedFiles(last).length > 0 ? 1 : 0
