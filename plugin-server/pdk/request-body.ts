/** `kong.request.get_body` over ProtoBuf:1, which does not have it: the body parsed as Kong 3.9 parses it. */
import { unescape as unescapeQuery } from 'node:querystring'
import type { Json } from '../../protocol/pdk/entities.ts'

/** As many as nginx reads without being asked for more. */
const MAX_FIELDS = 100

/**
 * @param contentType of the request.
 * @returns undefined for a type that Kong does not parse, and for a malformed body.
 */
export async function parseRequestBody(
  body: Uint8Array,
  contentType: string | undefined,
): Promise<Json | undefined> {
  const type = contentType?.toLowerCase() ?? ''
  if (type.startsWith('application/x-www-form-urlencoded')) return parseForm(Buffer.from(body).toString())
  if (type.startsWith('application/json')) return parseJson(Buffer.from(body).toString())
  if (type.startsWith('multipart/form-data')) return await parseMultipart(body, contentType as string)
  return undefined
}

function parseJson(text: string): Json | undefined {
  try {
    const value = JSON.parse(text) as Json
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

/** A field without a value is true; one that comes again is a list. */
function parseForm(text: string): Json {
  const fields = new Fields<string | true>()
  for (const part of text.split('&').slice(0, MAX_FIELDS)) {
    const [name = '', ...value] = part.replaceAll('+', ' ').split('=')
    if (name !== '') fields.add(unescapeQuery(name), value.length === 0 || unescapeQuery(value.join('=')))
  }
  return fields.toJson()
}

async function parseMultipart(body: Uint8Array, contentType: string): Promise<Json | undefined> {
  const fields = new Fields<string>()
  try {
    const form = await new Response(body, { headers: { 'content-type': contentType } }).formData()
    for (const [name, value] of form) fields.add(name, typeof value === 'string' ? value : await value.text())
  } catch {
    return undefined
  }
  return fields.toJson()
}

class Fields<T extends Json> {
  readonly #values = new Map<string, T[]>()

  add(name: string, value: T): void {
    const before = this.#values.get(name)
    if (before) before.push(value)
    else this.#values.set(name, [value])
  }

  toJson(): Json {
    return Object.fromEntries(
      [...this.#values].map(([name, values]) => [name, values.length === 1 ? (values[0] ?? null) : values]),
    )
  }
}
