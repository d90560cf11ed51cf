import type { SchemaSpec } from '../schema/spec.ts'
import { formatHost, isProblem, parseHost } from './address.ts'
import { milliseconds, tags, uuid } from './typedefs.ts'

const DEFAULT_PORT = 8000

/** `host:port` with the port that Kong adds, or nothing when it is no host. */
export function formatTarget(target: string): string | undefined {
  const parsed = parseHost(target)
  return isProblem(parsed) ? undefined : formatHost(parsed, DEFAULT_PORT)
}

export const target: SchemaSpec = {
  name: 'targets',
  fields: [
    { id: uuid },
    { created_at: milliseconds },
    { updated_at: milliseconds },
    { upstream: { type: 'foreign', reference: 'upstreams', required: true, on_delete: 'cascade' } },
    {
      target: {
        type: 'string',
        required: true,
        custom_validator: (value: string) =>
          isProblem(parseHost(value))
            ? `Invalid target ('${value}'); not a valid hostname or ip address`
            : undefined,
      },
    },
    { weight: { type: 'integer', default: 100, between: [0, 65_535] } },
    { tags },
  ],
}
