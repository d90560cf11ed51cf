/** `kong.log` */
import { SluiceError } from '../../foundation/errors.ts'
import { json, text } from './checks.ts'
import type { Json } from './entities.ts'
import type { LogEntry } from './log-entry.ts'
import { EVERYWHERE, REQUEST_AND_LOG } from './phases.ts'
import { call } from './row.ts'

const line = () =>
  call<(...values: unknown[]) => void>()({ phases: EVERYWHERE, kind: 'log', wire: ['ListValue', 'Empty'] })

export const log = {
  /** Writes to Kong's log. */
  alert: line(),
  /** Writes to Kong's log. */
  crit: line(),
  /** Writes to Kong's log. */
  err: line(),
  /** Writes to Kong's log. */
  warn: line(),
  /** Writes to Kong's log. */
  notice: line(),
  /** Writes to Kong's log. */
  info: line(),
  /** Writes to Kong's log. */
  debug: line(),
  /** Adds a value to what `log.serialize` gives in the log phase of the same request. */
  setSerializeValue: call<(key: string, value: Json) => void>()({
    phases: REQUEST_AND_LOG,
    kind: 'write',
    wire: ['KV', 'Empty'],
    args: { key: text, value: json },
  }),
  /** Everything that Kong knows about the request. Kong redacts `authorization` and `proxy-authorization` only. */
  serialize: call<() => Promise<LogEntry>>()({
    phases: ['log'],
    wire: ['Empty', 'String'],
    decode: serialized,
    toKongJs: JSON.stringify,
  }),
}

function serialized(reply: unknown): LogEntry {
  if (typeof reply !== 'string')
    throw new SluiceError('SLUICE_PROTOCOL_FRAME', 'kong.log.serialize did not return a string')
  return JSON.parse(reply) as LogEntry
}
