import type { Snapshot } from './script.ts'

/** Changes of all breakers, as they happen. */
export const CHANNEL = 'sluice:breaker'

/** What the channel carries: nobody but the one who asked was given a permit. */
export const toMessage = (breaker: string, snapshot: Snapshot): string =>
  JSON.stringify([breaker, { ...snapshot, granted: false, transitions: [] }])

/** @throws SyntaxError for anything that is no such message. */
export function fromMessage(message: string): { readonly breaker: string; readonly snapshot: Snapshot } {
  const [breaker, snapshot] = JSON.parse(message) as [string, Snapshot]
  return { breaker, snapshot }
}
