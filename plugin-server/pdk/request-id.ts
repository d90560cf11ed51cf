/** Kong's id of a request (since Kong 3.5), which it also gives to the service, to the client and to its own logs. */

import type { Phase } from '../../protocol/pdk/phases.ts'
import type { Method } from '../../protocol/pdk/table.ts'

/** The variable of nginx that holds it; an older Kong has none of that name, and answers nothing. */
export const REQUEST_ID_VARIABLE = 'kong_request_id'

type Read = readonly [method: Method, args: readonly unknown[]]

const VARIABLE: Read = ['kong.nginx.get_var', [REQUEST_ID_VARIABLE]]

/** How each phase learns it. A connection that is not HTTP has none, and the log phase knows no variables. */
export const REQUEST_ID_READS: Readonly<Partial<Record<Phase, Read>>> = {
  rewrite: VARIABLE,
  access: VARIABLE,
  response: VARIABLE,
  log: ['kong.log.serialize', []],
}

/** The id in what one of these reads gave, whether it was parsed or is as it came. */
export function requestIdIn(value: unknown): string | undefined {
  if (typeof value !== 'string') return textOf((value as LogEntry | undefined | null)?.request?.id)
  if (!value.startsWith('{')) return textOf(value)
  try {
    return requestIdIn(JSON.parse(value))
  } catch {
    return undefined
  }
}

interface LogEntry {
  readonly request?: { readonly id?: unknown }
}

const textOf = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)
