import type { Logger } from '../../foundation/log.ts'
import type { Lookup, State } from './state/state.ts'

/** Says once of each plugin that is configured and that the gateway does not run, at start or when it is made. */
export class IdleNotice {
  readonly #idle: ReadonlySet<string>
  readonly #log: Logger
  readonly #said = new Set<string>()
  #isPlanned = false

  /** @param idle the names of the plugins that are not run */
  constructor(state: State, idle: ReadonlySet<string>, log: Logger) {
    this.#idle = idle
    this.#log = log
    this.#look(state)
    // Many changes in a row are looked at once.
    state.subscribe(() => {
      if (this.#isPlanned) return
      this.#isPlanned = true
      setImmediate(() => {
        this.#isPlanned = false
        this.#look(state)
      })
    })
  }

  #look(lookup: Lookup): void {
    for (const { name } of lookup.list('plugins')) {
      if (!this.#idle.has(name) || this.#said.has(name)) continue
      this.#said.add(name)
      this.#log.warn({ plugin: name }, `plugin ${name} is configured, but this gateway does not run it`)
    }
  }
}
