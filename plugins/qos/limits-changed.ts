import type { EventDraft } from '../../sdk/event.ts'
import { type AnnouncedChange, partsOf } from './limit-admin.ts'

/** The event of a change. Whoever makes it and every node that hears of it may publish it: it is stored once. */
export function limitsChangedEvent(change: AnnouncedChange): EventDraft {
  const { key, action, limit, requests, burst, lastsMs, actor, reason, atMs } = change
  return {
    type: 'qos.limits-changed.v1',
    subject: partsOf(key)?.subject ?? key,
    timeMs: atMs,
    identity: `${atMs} ${action} ${key} ${limit ?? ''}`,
    data: {
      key,
      action,
      ...(limit === undefined ? {} : { limit }),
      ...(requests === undefined ? {} : { requests }),
      ...(burst === undefined ? {} : { burst }),
      ...(lastsMs === undefined ? {} : { until: new Date(atMs + lastsMs).toISOString() }),
      actor,
      reason,
    },
  }
}
