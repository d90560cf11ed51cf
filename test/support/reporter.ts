import { writeFileSync } from 'node:fs'
import path from 'node:path'
import Mocha from 'mocha'
import { type Failure, type Outcomes, summary } from './suites.ts'

const { EVENT_RUN_END, EVENT_TEST_FAIL, EVENT_TEST_PASS, EVENT_TEST_PENDING } = Mocha.Runner.constants

/** How long the process may live on after its last test, before what keeps it alive is a failure. */
const LINGER_MS = 30_000

/**
 * Mocha's `spec` output with one plain line behind it: `N passed, N failed`, and `, N skipped` where some were. Where
 * `test/run.ts` runs several processes, what came of each file goes to its file instead, and it prints one line for all.
 *
 * A test that leaves something running would hold the process for ever, mostly one whose hook failed half-way: then it
 * is named and ended, and counts as failed.
 */
export default class PlainSummary extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options?: Mocha.MochaOptions) {
    super(runner, options)
    const outcomes: Record<string, { passes: number; pending: number; failures: Failure[] }> = {}
    const outcomeOf = (file: string) => {
      outcomes[file] ??= { passes: 0, pending: 0, failures: [] }
      return outcomes[file]
    }
    runner.on(EVENT_TEST_PASS, test => outcomeOf(fileOf(test)).passes++)
    runner.on(EVENT_TEST_PENDING, test => outcomeOf(fileOf(test)).pending++)
    runner.on(EVENT_TEST_FAIL, (test, error) => {
      outcomeOf(fileOf(test)).failures.push({ title: test.fullTitle(), message: String(error?.message) })
    })
    runner.once(EVENT_RUN_END, () => {
      // Behind what Spec prints at the same event.
      setImmediate(() => report(outcomes))
      setTimeout(() => {
        const message = process.getActiveResourcesInfo().join(', ')
        process.stderr.write(`a test left something running: ${message}\n`)
        outcomeOf('a process').failures.push({ title: 'a test left something running', message })
        report(outcomes)
        process.exit(1)
      }, LINGER_MS).unref()
    })
  }
}

/** Of a hook, the file of the suite that it belongs to. */
function fileOf(runnable: Mocha.Runnable): string {
  let file = runnable.file
  for (let suite = runnable.parent; file === undefined && suite; suite = suite.parent) file = suite.file
  return path.relative(process.cwd(), file ?? '')
}

function report(outcomes: Outcomes): void {
  const file = process.env.SLUICE_TEST_OUTCOMES
  if (file) writeFileSync(file, JSON.stringify(outcomes))
  else process.stdout.write(`${summary(outcomes)}\n`)
}
