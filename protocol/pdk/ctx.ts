/** `kong.ctx` */
import { json, text } from './checks.ts'
import type { Json } from './entities.ts'
import { EVERYWHERE } from './phases.ts'
import { call } from './row.ts'

export const shared = {
  /** Reads a value that lives as long as the request, shared with other plugins, once an event. */
  get: call<(key: string) => Promise<Json | undefined>>()({
    phases: EVERYWHERE,
    wire: ['String', 'Value'],
    args: { key: text },
  }),
  /** Sets such a value. Over ProtoBuf:1 a `false` arrives as nothing. */
  set: call<(key: string, value: Json) => void>()({
    phases: EVERYWHERE,
    kind: 'writeShared',
    wire: ['KV', 'Empty'],
    args: { key: text, value: json },
  }),
}
