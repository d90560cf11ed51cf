import { writeFileSync } from 'node:fs'
import Mocha from 'mocha'
import { type Counts, summary } from './suites.ts'

const { EVENT_RUN_END } = Mocha.Runner.constants

/** How long the process may live on after its last test, before what keeps it alive is a failure. */
const LINGER_MS = 30_000

/**
 * Mocha's `spec` output with one plain line behind it: `N passed, N failed`, and `, N skipped` where some were. Where
 * `test/run.ts` runs several processes, the counts go to its file instead, and it prints one line for all.
 *
 * A test that leaves something running would hold the process for ever, mostly one whose hook failed half-way: then it
 * is named and ended, and counts as failed.
 */
export default class PlainSummary extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options?: Mocha.MochaOptions) {
    super(runner, options)
    runner.once(EVENT_RUN_END, () => {
      const { passes = 0, failures = 0, pending = 0 } = runner.stats ?? {}
      const counts = { passes, failures, pending }
      // Behind what Spec prints at the same event.
      setImmediate(() => report(counts))
      setTimeout(() => {
        const resources = process.getActiveResourcesInfo().join(', ')
        process.stderr.write(`a test left something running: ${resources}\n`)
        report({ ...counts, failures: failures + 1 })
        process.exit(1)
      }, LINGER_MS).unref()
    })
  }
}

function report(counts: Counts): void {
  const file = process.env.SLUICE_TEST_COUNTS
  if (file) writeFileSync(file, JSON.stringify(counts))
  else process.stdout.write(`${summary(counts)}\n`)
}
