import { PLUGIN_BODY_BYTES } from '../proxy/body.ts'
import type { Exchange } from '../proxy/exchange.ts'
import { formatQuery, parseQuery } from '../proxy/query.ts'

/** A body as named values; undefined stands for one that Kong does not read so: another type, or too large. */
export interface BodyFields {
  readonly kind: 'form' | 'json' | 'multipart'
  readonly values: Readonly<Record<string, unknown>>
}

const KINDS: Readonly<Record<string, BodyFields['kind']>> = {
  'application/x-www-form-urlencoded': 'form',
  'application/json': 'json',
  'multipart/form-data': 'multipart',
}

/** The format of the body; undefined for one that Kong does not read as fields. */
export function kindOf({ headers }: Exchange): BodyFields['kind'] | undefined {
  const type = headers.get('content-type') ?? ''
  return KINDS[type.split(';', 1)[0]?.toLowerCase().trim() ?? '']
}

export async function readBodyFields(exchange: Exchange): Promise<BodyFields | undefined> {
  const kind = kindOf(exchange)
  const body = kind && (await exchange.body.whole(PLUGIN_BODY_BYTES))
  return body && parseFields(exchange, kind, body.toString('utf8'))
}

/** Undefined for JSON that is no object, or none at all. */
export function parseFields(
  exchange: Exchange,
  kind: BodyFields['kind'],
  text: string,
): BodyFields | undefined {
  if (kind === 'form') return { kind, values: parseQuery(text) }
  if (kind === 'multipart')
    return { kind, values: parseMultipart(text, boundaryOf(exchange.headers.get('content-type') ?? '')) }
  const values = parseObject(text)
  return values && { kind, values }
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

const boundaryOf = (type: string) => /boundary="?([^";]+)"?/i.exec(type)?.[1] ?? ''

/** Parts of one name become a list. */
function parseMultipart(text: string, boundary: string): Record<string, unknown> {
  const values: Record<string, unknown> = {}
  for (const part of `\r\n${text}`.split(`\r\n--${boundary}`)) {
    const end = part.indexOf('\r\n\r\n')
    const name = /[;\s]name="([^"]*)"/i.exec(part.slice(0, Math.max(0, end)))?.[1]
    if (end < 0 || name === undefined || name === '__proto__') continue
    const value = part.slice(end + 4)
    const before = values[name]
    values[name] = before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value]
  }
  return values
}

/** Sends other fields instead of those that came, in the same format. */
export function writeBodyFields(exchange: Exchange, { kind, values }: BodyFields): void {
  const text =
    kind === 'json'
      ? JSON.stringify(values)
      : kind === 'form'
        ? formatQuery(values)
        : formatMultipart(values, boundaryOf(exchange.headers.get('content-type') ?? ''))
  exchange.body.replace(Buffer.from(text))
}

function formatMultipart(values: Readonly<Record<string, unknown>>, boundary: string): string {
  const parts = Object.keys(values)
    .sort()
    .map(name => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${values[name]}\r\n`)
  return `${parts.join('')}--${boundary}--\r\n`
}
