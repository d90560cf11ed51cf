/**
 * `node dist/test/run.js [FILE...]`: every test, or those in the files, in some processes of mocha at once. `--unit`: only
 * those that start no other program. The last line is `N passed, N failed` for all.
 */
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { runFiles } from './support/pool.ts'
import { failedFiles, failureLines, inOrder, isUnitTest, type Outcomes, summary } from './support/suites.ts'

/** Those that take longest begin first, so that none is left alone at the end. */
const LONGEST = [
  'ops/local/up/up',
  'dashboard/browser',
  'events/gateway',
  'flask-sample/frontend',
  'ops/local/up/refusal',
  'plugin-server/kong-js/denials',
  'events/crash',
  'catalogue/through-gateway',
  'management/broken-parts',
  'management/sessions',
  'management/kill-loops',
  'events/rabbitmq',
  'ops/build/package',
  'dashboard/browser-live',
  'ops/local/find',
  'contract/proxy-answers',
  'events/pipeline',
  'discovery/discover',
  'cli/state',
  'management/drift',
  'kong/reconcile/random',
  'cli/limits',
  'plugins/qos/failover',
  'plugins/circuit-breaker/streams',
  'plugins/circuit-breaker/end-to-end',
  'flask-sample/openapi',
  'plugins/upstream-token/end-to-end',
  'dashboard/browser-pages',
  'management/openapi',
  'management/live-events',
  'flask-sample/operation',
  'events/planted',
  'plugin-server/stores/connection',
  'flask-sample/outbox',
  'ops/deploy/dashboard',
  'events/postgres',
  'plugins/qos/outage',
  'contract/plugins',
  'cli/events',
  'management/server',
  'cli/breaker',
  'catalogue/merge',
  'plugins/response-cache/nodes',
  'plugins/request-log/plugin',
  'plugins/qos/nodes',
  'plugin-server/stores/redis',
  'management/random-changes',
  'contract/admin-answers',
  'cli/token',
  'cli/serve-workers',
  'cli/doctor/doctor',
  'cli/command',
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
  for (const file of again) Object.assign(second, await runFiles([file], 1))
  return { ...first, ...second }
}

const files = named.length > 0 ? named : all
const chosen = process.argv.includes('--unit') ? files.filter(file => isUnitTest(file, dist)) : files
const first = await runFiles(inOrder(chosen, LONGEST), PROCESSES)
for (const line of failureLines(first)) process.stdout.write(`failed: ${line}\n`)
const last = process.env.CI ? await runAlone(first) : first
if (last !== first)
  for (const line of failureLines(last)) process.stdout.write(`failed also alone: ${line}\n`)
process.stdout.write(`${summary(last)}\n`)
process.exitCode = failedFiles(last).length > 0 ? 1 : 0
