import { type SettledProbe, STRICTNESS } from './breaker.ts'
import type { Snapshot } from './script.ts'

/** Changes of all breakers, as they happen. */
export const CHANNEL = 'sluice:breaker'

/** What the channel carries: nobody but the one who asked was given a permit. */
export const toMessage = (breaker: string, snapshot: Snapshot): string =>
  JSON.stringify([breaker, { ...snapshot, granted: false, transitions: [] }])

/** @throws TypeError or SyntaxError for anything that is no such message, as of another version. */
export function fromMessage(message: string): { readonly breaker: string; readonly snapshot: Snapshot } {
  const [breaker, snapshot] = JSON.parse(message) as [string, Snapshot]
  const { generation, elapsedMs, remainingMs, phase, totals, mode } = snapshot
  const isWhole =
    [generation, elapsedMs, remainingMs, totals.failures, totals.slow, mode.sequence].every(
      Number.isFinite,
    ) && Object.hasOwn(STRICTNESS, phase)
  if (!isWhole) throw new TypeError('it has no whole state of a breaker')
  return { breaker, snapshot }
}

/** Results of probes that a process has let through by itself, and of which another one got the log event. */
export const PROBE_CHANNEL = 'sluice:breaker:probes'

export const toProbeMessage = (breaker: string, settled: SettledProbe): string =>
  JSON.stringify([breaker, settled])

/** @throws TypeError or SyntaxError for anything that is no such message. */
export function fromProbeMessage(message: string): {
  readonly breaker: string
  readonly settled: SettledProbe
} {
  const [breaker, settled] = JSON.parse(message) as [string, SettledProbe]
  if (typeof settled.token !== 'string') throw new TypeError('it names no probe')
  return { breaker, settled }
}
