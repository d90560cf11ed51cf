import type { EventDraft } from '../../sdk/event.ts'
import type { ModeSetting } from './mode.ts'

/**
 * The event of an order. Whoever gives it and every node that hears of it may publish it: it is stored once.
 *
 * @param key `service:<id>` or `route:<id>`
 */
export function forcedEvent(
  key: string,
  { sequence, mode, actor, reason, remainingMs }: ModeSetting,
): EventDraft {
  return {
    type: 'circuit.forced.v1',
    subject: key,
    timeMs: sequence,
    identity: `${key} ${sequence}`,
    data: { breaker: key, mode, actor, reason, expires_in_ms: Math.round(remainingMs) },
  }
}
