import { writeFileSync } from 'node:fs'
import Mocha from 'mocha'
import { summary } from './suites.ts'

const { EVENT_RUN_END } = Mocha.Runner.constants

/**
 * Mocha's `spec` output with one plain line behind it: `N passed, N failed`, and `, N skipped` where some were. Where
 * `test/run.ts` runs several processes, the counts go to its file instead, and it prints one line for all.
 */
export default class PlainSummary extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options?: Mocha.MochaOptions) {
    super(runner, options)
    runner.once(EVENT_RUN_END, () => {
      const { passes = 0, failures = 0, pending = 0 } = runner.stats ?? {}
      const counts = { passes, failures, pending }
      const file = process.env.SLUICE_TEST_COUNTS
      if (file) writeFileSync(file, JSON.stringify(counts))
      // Behind what Spec prints at the same event.
      else setImmediate(() => process.stdout.write(`${summary(counts)}\n`))
    })
  }
}
