import type { Logger } from '../../foundation/log.ts'
import type { BoundGauge, Metrics } from '../../foundation/metrics.ts'
import type { Phase } from '../../protocol/pdk/phases.ts'

/** A handler that holds the loop for longer is named in the log. */
const BLOCKED_MS = 150
export const TICK_MS = 50

/** How late the event loop is, and which handler held it. */
export class LoopWatch {
  readonly #log: Logger
  readonly #lag: BoundGauge
  readonly #blocks: ReturnType<typeof countersOf>
  // Between two turns of the loop the last handler that was resumed is the one that runs, so a late turn is its doing.
  #running: { readonly plugin: string; readonly phase: Phase; readonly atMs: number } | undefined
  #suspect: { readonly plugin: string; readonly phase: Phase; readonly forMs: number } | undefined
  #tickedAtMs: number
  #cpu = process.cpuUsage()

  /**
   * @param plugins whose counters exist from the start: the first step of a new series is no increase to Prometheus.
   * @param nowMs monotonic.
   */
  constructor(metrics: Metrics, log: Logger, plugins: Iterable<string>, nowMs: number) {
    this.#log = log
    this.#tickedAtMs = nowMs
    this.#blocks = countersOf(metrics)
    for (const plugin of plugins) this.#blocks.with({ plugin })
    this.#lag = metrics
      .gauge('sluice_loop_lag_seconds', 'How late the event loop was at its last tick.')
      .with({})
  }

  /** A handler of the plugin runs from now on, until the loop turns or another one does. */
  running(plugin: string, phase: Phase, atMs: number): void {
    this.#suspectRunning(atMs)
    this.#running = { plugin, phase, atMs }
  }

  /** Once a turn, `TICK_MS` after the last one where nothing is late. */
  tick(atMs: number): void {
    const before = this.#cpu
    this.#cpu = process.cpuUsage()
    const lateMs = Math.max(0, atMs - this.#tickedAtMs - TICK_MS)
    this.#tickedAtMs = atMs
    this.#lag.set(lateMs / 1000)
    this.#suspectRunning(atMs)
    if (lateMs > BLOCKED_MS && this.#suspect)
      this.#report(this.#suspect, this.#cpu.user + this.#cpu.system - before.user - before.system)
    this.#running = undefined
    this.#suspect = undefined
  }

  /** At the end of a running handler; a long turn of many short ones is nobody's doing. */
  #suspectRunning(atMs: number): void {
    if (!this.#running) return
    const { plugin, phase, atMs: sinceMs } = this.#running
    const forMs = atMs - sinceMs
    if (forMs > BLOCKED_MS && forMs > (this.#suspect?.forMs ?? 0)) this.#suspect = { plugin, phase, forMs }
  }

  #report(
    { plugin, phase, forMs }: { readonly plugin: string; readonly phase: Phase; readonly forMs: number },
    usedMicros: number,
  ): void {
    this.#blocks.with({ plugin }).add()
    // Far less CPU time than blockedMs: the plugin waited for the system, or the machine was busy elsewhere.
    const cpuMs = Math.round(usedMicros / 1000)
    this.#log.warn({ plugin, phase, blockedMs: Math.round(forMs), cpuMs }, 'a plugin blocked the event loop')
  }
}

const countersOf = (metrics: Metrics) =>
  metrics.counter('sluice_loop_blocked_total', 'Handlers that blocked the event loop for long.', ['plugin'])
