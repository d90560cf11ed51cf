/** `kong.nginx` */
import { json, text } from './checks.ts'
import type { Json } from './entities.ts'
import { EVERYWHERE, REQUEST_AND_LOG, WITH_VARIABLES } from './phases.ts'
import { call } from './row.ts'

export const nginx = {
  /** Reads a variable of nginx, such as `request_uri`. */
  getVar: call<(name: string) => Promise<string | undefined>>()({
    phases: WITH_VARIABLES,
    kind: 'readVariable',
    wire: ['String', 'String'],
    args: { name: text },
  }),
  /** The version of TLS that the client speaks. */
  getTls1VersionStr: call<() => Promise<string | undefined>>()({
    phases: EVERYWHERE,
    wire: ['Empty', 'String'],
  }),
  /** Sets a field of `ngx.ctx`. */
  setCtx: call<(key: string, value: Json) => void>()({
    phases: EVERYWHERE,
    kind: 'write',
    wire: ['KV', 'String'],
    args: { key: text, value: json },
  }),
  /** Reads a field of `ngx.ctx`. */
  getCtx: call<(key: string) => Promise<Json | undefined>>()({
    phases: EVERYWHERE,
    kind: 'readEachTime',
    wire: ['String', 'Value'],
    args: { key: text },
  }),
  /** When the request began, seconds since the epoch, with fractions. */
  reqStartTime: call<() => Promise<number>>()({ phases: REQUEST_AND_LOG, wire: ['Empty', 'Number'] }),
  /** `http` or `stream`. */
  getSubsystem: call<() => Promise<string>>()({ phases: EVERYWHERE, wire: ['Empty', 'String'] }),
  /** Connections and requests of this Kong. */
  getStatistics: call<() => Promise<Readonly<Record<string, number>>>>()({
    phases: EVERYWHERE,
    kind: 'readEachTime',
  }),
}
