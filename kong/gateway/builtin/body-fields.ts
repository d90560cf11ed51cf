import { PLUGIN_BODY_BYTES } from '../proxy/body.ts'
import type { Exchange } from '../proxy/exchange.ts'
import { formatQuery, parseQuery } from '../proxy/query.ts'

/** A body as named values; undefined stands for one that Kong does not read so: another type, or too large. */
export interface BodyFields {
  readonly kind: 'form' | 'json'
  readonly values: Readonly<Record<string, unknown>>
}

export async function readBodyFields(exchange: Exchange): Promise<BodyFields | undefined> {
  const type = exchange.headers.get('content-type')?.split(';', 1)[0]?.toLowerCase().trim()
  if (type !== 'application/x-www-form-urlencoded' && type !== 'application/json') return undefined
  const body = await exchange.body.whole(PLUGIN_BODY_BYTES)
  if (!body) return undefined
  const text = body.toString('utf8')
  if (type !== 'application/json') return { kind: 'form', values: parseQuery(text) }
  try {
    const values: unknown = JSON.parse(text)
    return typeof values === 'object' && values !== null
      ? { kind: 'json', values: values as Record<string, unknown> }
      : undefined
  } catch {
    return undefined
  }
}

/** Sends the body on without one of its fields. */
export function writeBodyFields(exchange: Exchange, { kind, values }: BodyFields, without: string): void {
  const { [without]: _, ...left } = values
  exchange.body.replace(Buffer.from(kind === 'json' ? JSON.stringify(left) : formatQuery(left)))
}
