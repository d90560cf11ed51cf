/** From the outcomes of all parts to the answer of the whole. */
import { STATUS_CODES } from 'node:http'
import type { HeaderMap } from '../../sdk/sdk.ts'
import type { PlannedPart } from './plan.ts'

export type PartOutcome =
  /** `json`: what stands in the answer, as the service wrote it: a number may have more digits than JavaScript's. */
  | { readonly kind: 'ok'; readonly value: unknown; readonly json: string }
  /** `status` is what the client gets where the part is required. */
  | { readonly kind: 'failed'; readonly status: number; readonly detail: string; readonly headers: Headers }

/** Fields of a part's refusal that mean the same for the whole. */
export interface Headers {
  readonly 'Retry-After'?: string
  readonly 'WWW-Authenticate'?: string
}

export interface Answer {
  readonly kind: 'whole' | 'partial' | 'failed'
  readonly status: number
  /** JSON. */
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

export const failed = (status: number, detail: string, headers: Headers = {}): PartOutcome => ({
  kind: 'failed',
  status,
  detail,
  headers,
})

/**
 * | part | its outcome | the answer |
 * | --- | --- | --- |
 * | required | failed | its status, problem details that name it; the first in the order of the configuration |
 * | optional | failed | 200, its fallback, an entry in `errors` |
 * | any | ok | its value |
 */
export function answerOf(parts: readonly PlannedPart[], outcomes: ReadonlyMap<string, PartOutcome>): Answer {
  const members: string[] = []
  const errors: object[] = []
  for (const { name, isOptional, fallback } of parts) {
    const outcome = outcomes.get(name) ?? failed(504, 'was not asked for in time')
    if (outcome.kind === 'ok') members.push(`"${name}":${outcome.json}`)
    else if (!isOptional) return refusal(name, outcome)
    else {
      members.push(`"${name}":${JSON.stringify(fallback)}`)
      errors.push({ part: name, status: outcome.status, detail: outcome.detail })
    }
  }
  const kind = errors.length === 0 ? 'whole' : 'partial'
  members.push(`"errors":${JSON.stringify(errors)}`)
  return { kind, status: 200, body: `{${members.join(',')}}`, headers: {} }
}

function refusal(
  part: string,
  { status, detail, headers }: Extract<PartOutcome, { kind: 'failed' }>,
): Answer {
  const title = STATUS_CODES[status] ?? 'Error'
  return {
    kind: 'failed',
    status,
    body: JSON.stringify({ type: 'about:blank', title, status, detail: `The part ${part} ${detail}.`, part }),
    headers: { ...headers },
  }
}

export interface PartAnswer {
  readonly status: number
  readonly headers: HeaderMap
  readonly body: Uint8Array
}

/** What a part's answer means; only 2xx with JSON, or without a body, is a success. */
export function readPart(answer: PartAnswer, pick: readonly string[], maxBytes: number): PartOutcome {
  const { status, body } = answer
  if (status >= 400) return failed(status, `was refused with ${status}`, passedOn(answer))
  if (status >= 300) return failed(502, `leads elsewhere (${status})`)
  if (body.length > maxBytes) return failed(502, 'is too large')
  if (body.length === 0) return { kind: 'ok', value: null, json: 'null' }
  if (!/^application\/([a-z0-9.+-]*\+)?json\b/i.test(one(answer.headers['content-type']) ?? ''))
    return failed(502, 'did not answer with JSON')
  try {
    const text = Buffer.from(body).toString()
    const whole: unknown = JSON.parse(text)
    // Many a framework ends a body with a line feed, which would split the whole in lines.
    if (pick.length === 0) return { kind: 'ok', value: whole, json: text.trim() }
    const value = pickFrom(whole, pick)
    return { kind: 'ok', value, json: JSON.stringify(value) }
  } catch {
    return failed(502, 'did not answer with JSON')
  }
}

function passedOn({ status, headers }: PartAnswer): Headers {
  const retryAfter = one(headers['retry-after'])
  const challenge = one(headers['www-authenticate'])
  return {
    ...(retryAfter !== undefined && { 'Retry-After': retryAfter }),
    ...(status === 401 && challenge !== undefined && { 'WWW-Authenticate': challenge }),
  }
}

const one = (value: string | readonly string[] | undefined) =>
  typeof value === 'string' ? value : value?.[0]

/** The field behind these names; null where there is none. */
export function pickFrom(value: unknown, fields: readonly string[]): unknown {
  let at = value
  for (const field of fields) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, field)) return null
    at = (at as Readonly<Record<string, unknown>>)[field]
  }
  return at
}
