/** What is counted and logged about events: their outcomes, durations and round trips, failures, a blocked loop. */
import { messageOf } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'
import type { BoundCounter, BoundHistogram, Metrics } from '../../foundation/metrics.ts'
import type { Phase } from '../../protocol/pdk/phases.ts'

/** A handler that holds the loop for longer is named in the log. */
const BLOCKED_MS = 150
const TICK_MS = 50
const LOG_EVERY_MS = 1000
/** A failure is logged without its request's id when Kong has not told it by then. */
const REQUEST_ID_WITHIN_MS = 1000
const DURATION_SECONDS = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5]

/** How an event ended; a label of its metric. */
export type Outcome = 'ok' | 'exit' | 'error' | 'late' | 'abandoned'

interface PhaseMetrics {
  readonly outcomes: Map<Outcome, BoundCounter>
  readonly duration: BoundHistogram
  readonly roundTrips: BoundCounter
}

/** A failure that is to be logged. */
export interface FailureLine {
  /**
   * Writes it; only the first call does. Where none comes, it is written without an id after a second, or when the
   * meter closes.
   *
   * @param requestId Kong's id of the request, where it is known.
   */
  write(requestId: string | undefined): void
}

export interface EventMeter {
  /** A handler of the plugin runs from now on, until the loop turns or another one does. */
  running(plugin: string, phase: Phase, nowMs: number): void
  event(plugin: string, phase: Phase, outcome: Outcome, durationMs: number, roundTrips: number): void
  /** @returns what to log; undefined where the plugin has failed so within the last second. */
  failure(
    log: Logger,
    plugin: string,
    phase: Phase,
    kind: 'error' | 'late',
    error: unknown,
  ): FailureLine | undefined
  /** Writes what is still to be logged. */
  close(): void
}

/**
 * @param now monotonic milliseconds.
 * @param plugins whose counters exist from the start: the first step of a new series is no increase to Prometheus.
 */
export function createEventMeter(
  metrics: Metrics,
  log: Logger,
  now: () => number,
  plugins: Iterable<string> = [],
): EventMeter {
  const events = metrics.counter('sluice_events_total', 'Events by how they ended.', [
    'plugin',
    'phase',
    'outcome',
  ])
  const durations = metrics.histogram(
    'sluice_event_duration_seconds',
    'From the arrival of an event to its end.',
    DURATION_SECONDS,
    ['plugin', 'phase'],
  )
  const trips = metrics.counter('sluice_event_round_trips_total', 'Writes of events that waited for Kong.', [
    'plugin',
    'phase',
  ])
  const blocks = metrics.counter('sluice_loop_blocked_total', 'Handlers that held the event loop for long.', [
    'plugin',
  ])
  for (const plugin of plugins) blocks.with({ plugin })
  const lag = metrics
    .gauge('sluice_loop_lag_seconds', 'How late the event loop was at its last tick.')
    .with({})

  const byPlugin = new Map<string, Map<Phase, PhaseMetrics>>()
  const phaseMetrics = (plugin: string, phase: Phase): PhaseMetrics => {
    let byPhase = byPlugin.get(plugin)
    if (!byPhase) {
      byPhase = new Map()
      byPlugin.set(plugin, byPhase)
    }
    let found = byPhase.get(phase)
    if (!found) {
      found = {
        outcomes: new Map(),
        duration: durations.with({ plugin, phase }),
        roundTrips: trips.with({ plugin, phase }),
      }
      byPhase.set(phase, found)
    }
    return found
  }

  // Between two turns of the loop the last handler that was resumed is the one that runs, so a late turn is its doing.
  let running: { plugin: string; phase: Phase; atMs: number } | undefined
  let suspect: { plugin: string; phase: Phase; forMs: number } | undefined
  /** At the end of a running handler; a long turn of many short ones is nobody's doing. */
  const suspectRunning = (atMs: number) => {
    if (!running) return
    const forMs = atMs - running.atMs
    if (forMs > BLOCKED_MS && forMs > (suspect?.forMs ?? 0))
      suspect = { plugin: running.plugin, phase: running.phase, forMs }
  }
  let tickedAt = now()
  let cpu = process.cpuUsage()
  const tick = setInterval(() => {
    const at = now()
    const used = process.cpuUsage(cpu)
    cpu = process.cpuUsage()
    const lateMs = Math.max(0, at - tickedAt - TICK_MS)
    tickedAt = at
    lag.set(lateMs / 1000)
    suspectRunning(at)
    if (lateMs > BLOCKED_MS && suspect) {
      const { plugin, phase, forMs } = suspect
      blocks.with({ plugin }).add()
      log.warn(
        {
          plugin,
          phase,
          blockedMs: Math.round(forMs),
          // Far less than blockedMs: the plugin waited for the system, or the machine was busy elsewhere.
          cpuMs: Math.round((used.user + used.system) / 1000),
        },
        'a plugin held the event loop',
      )
    }
    running = undefined
    suspect = undefined
    for (const line of unwritten) if (at - line.atMs > REQUEST_ID_WITHIN_MS) line.write(undefined)
  }, TICK_MS)
  tick.unref()

  const loggedAt = new Map<string, number>()
  const unwritten = new Set<FailureLine & { readonly atMs: number }>()
  return {
    running(plugin, phase, atMs) {
      suspectRunning(atMs)
      running = { plugin, phase, atMs }
    },
    event(plugin, phase, outcome, durationMs, roundTrips) {
      const found = phaseMetrics(plugin, phase)
      let counter = found.outcomes.get(outcome)
      if (!counter) {
        counter = events.with({ plugin, phase, outcome })
        found.outcomes.set(outcome, counter)
      }
      counter.add()
      found.duration.observe(durationMs / 1000)
      if (roundTrips > 0) found.roundTrips.add(roundTrips)
    },
    failure(own, plugin, phase, kind, error) {
      const key = `${plugin} ${phase} ${kind}`
      const at = now()
      const last = loggedAt.get(key)
      if (last !== undefined && at - last < LOG_EVERY_MS) return undefined
      loggedAt.set(key, at)
      const line = {
        atMs: at,
        write(requestId: string | undefined) {
          if (!unwritten.delete(line)) return
          const about = { phase, ...(requestId !== undefined && { requestId }) }
          if (kind === 'late') own.error(about, 'a phase was not done by its deadline')
          else
            own.error(
              {
                ...about,
                reason: messageOf(error),
                stack: error instanceof Error ? error.stack : undefined,
              },
              'a phase failed',
            )
        },
      }
      unwritten.add(line)
      return line
    },
    close() {
      clearInterval(tick)
      for (const line of unwritten) line.write(undefined)
    },
  }
}
