import { SluiceError } from '../../foundation/errors.ts'
import { PHASES, type Phase } from '../../protocol/pdk/phases.ts'
import type { AnyPlugin } from './registry.ts'

const DEFAULT_DEADLINE_MS = 1000
/** Kong drops log events when their timers pile up, so a log phase is answered by then, always. */
export const LOG_DEADLINE_MS = 100
/** The longest that a timer of Node's can be set to; a longer one ends at once. */
const LONGEST_MS = 2 ** 31 - 1

/** How long the phases of a member may take. It is asked for once an instance, since only the configuration decides it. */
export class MemberDeadlines {
  readonly #ms = new Map<Phase, number>()
  readonly #faults = new Map<Phase, unknown>()

  constructor({ name, deadlineMs = {}, phases }: AnyPlugin, config: Readonly<Record<string, unknown>>) {
    for (const phase of PHASES) {
      const declared = deadlineMs[phase]
      if (declared === undefined || !phases[phase]) continue
      try {
        const ms = typeof declared === 'function' ? declared(config) : declared
        if (!(typeof ms === 'number' && ms > 0 && ms <= LONGEST_MS))
          throw new SluiceError(
            'SLUICE_PLUGIN_INVALID',
            `plugin ${name}: deadlineMs of ${phase} must be a number of milliseconds from above 0 to ${LONGEST_MS}, not ${String(ms)}`,
          )
        this.#ms.set(phase, ms)
      } catch (error) {
        this.#faults.set(phase, error ?? new Error('deadlineMs threw nothing'))
      }
    }
  }

  /** Milliseconds. */
  ms(phase: Phase): number {
    const own = this.#ms.get(phase)
    return phase === 'log' ? Math.min(own ?? LOG_DEADLINE_MS, LOG_DEADLINE_MS) : (own ?? DEFAULT_DEADLINE_MS)
  }

  /** Why the plugin can't tell it: the phase fails then. */
  fault(phase: Phase): unknown {
    return this.#faults.get(phase)
  }
}
