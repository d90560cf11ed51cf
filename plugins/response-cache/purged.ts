import type { EventDraft } from '../../sdk/sdk.ts'
import type { PurgeOrder } from './purge.ts'

/** The event of an order. Whoever gives it and every node that hears of it may publish it: it is stored once. */
export function purgedEvent({ kind, value, host = '', sequence, actor, reason }: PurgeOrder): EventDraft {
  return {
    type: 'cache.purged.v1',
    subject: value || kind,
    timeMs: sequence,
    identity: `${sequence} ${kind} ${value} ${host}`,
    data: {
      kind,
      value,
      host,
      ...(actor !== undefined && { actor }),
      ...(reason !== undefined && { reason }),
    },
  }
}
