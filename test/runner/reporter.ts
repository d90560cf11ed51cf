import Mocha from 'mocha'
import { endLingering } from './linger.ts'
import { closingLine } from './suites.ts'

/** Mocha's `spec` output with one plain line behind it: `N passed, N failed`, and `, N skipped` where some were. */
export default class PlainSummary extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options?: Mocha.MochaOptions) {
    super(runner, options)
    const close = (more = 0) => {
      const { passes, failures, pending } = this.stats
      process.stdout.write(`${closingLine({ passes, pending, failures: failures + more })}\n`)
    }
    runner.once(Mocha.Runner.constants.EVENT_RUN_END, () => {
      // Behind what Spec prints at the same event.
      setImmediate(close)
      endLingering(what => {
        process.stderr.write(`a test left something running: ${what}\n`)
        close(1)
      })
    })
  }
}
