import { hash } from 'node:crypto'
import type { EventDraft } from '../sdk/event.ts'

const YEAR_2000_MS = 946_684_800_000
const YEAR_2100_MS = 4_102_444_800_000

/** The time of an event, whole milliseconds since the epoch: the draft's own, or the present where it is absurd. */
export function timeOf(draft: EventDraft, nowMs: number): number {
  const timeMs = Math.floor(draft.timeMs ?? nowMs)
  return timeMs >= YEAR_2000_MS && timeMs < YEAR_2100_MS ? timeMs : nowMs
}

/**
 * A UUID of version 8 (RFC 9562): 48 bits of milliseconds, then 74 bits of a hash of type and identity. The same
 * draft gives the same id, on every node and after every restart.
 */
export function derivedId(timeMs: number, type: string, identity: string): string {
  const digest = hash('sha256', `${type}\n${identity}`, 'hex')
  return layOut(timeMs, digest)
}

/** The same layout with random bits. */
export function randomId(timeMs: number, randomHex: string): string {
  return layOut(timeMs, randomHex)
}

function layOut(timeMs: number, hex: string): string {
  const time = timeMs.toString(16).padStart(12, '0')
  const variant = (8 | (Number.parseInt(hex.charAt(3), 16) & 3)).toString(16)
  return `${time.slice(0, 8)}-${time.slice(8, 12)}-8${hex.slice(0, 3)}-${variant}${hex.slice(4, 7)}-${hex.slice(7, 19)}`
}
