import Mocha from 'mocha'

const { EVENT_RUN_END } = Mocha.Runner.constants

/** Mocha's `spec` output with one plain line behind it: `N passed, N failed`, and `, N skipped` where some were. */
export default class PlainSummary extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options?: Mocha.MochaOptions) {
    super(runner, options)
    runner.once(EVENT_RUN_END, () => {
      const { passes = 0, failures = 0, pending = 0 } = runner.stats ?? {}
      const skipped = pending > 0 ? `, ${pending} skipped` : ''
      // Behind what Spec prints at the same event.
      setImmediate(() => process.stdout.write(`${passes} passed, ${failures} failed${skipped}\n`))
    })
  }
}
