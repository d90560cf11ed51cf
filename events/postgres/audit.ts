import type { Client } from 'pg'

/** What to look for; every given part narrows the answer. */
export interface AuditQuestion {
  /** Name, id or custom id. */
  readonly consumer?: string
  readonly credential?: string
  /** Any of them: a key has one under each secret that was ever in use. */
  readonly fingerprints?: readonly string[]
  readonly address?: string
  /** Name or id. */
  readonly service?: string
  readonly route?: string
  readonly outcome?: 'granted' | 'denied' | 'anonymous'
  readonly reason?: string
  readonly sinceMs: number
  readonly untilMs?: number
  readonly limit: number
  /** Only what comes behind this one. */
  readonly behind?: { readonly timeMs: number; readonly id: string }
}

export interface AuditAnswer {
  readonly time: Date
  readonly id: string
  readonly node: string
  readonly data: Readonly<Record<string, string | number | null>>
}

/** No event is older; PostgreSQL knows no time before 4713 BC. */
const timeOf = (ms: number): Date => new Date(Math.max(0, ms))

/** The newest answers first. */
export async function askAudit(client: Client, question: AuditQuestion): Promise<AuditAnswer[]> {
  const { text, values } = auditQuery(question)
  const { rows } = await client.query<AuditAnswer>(text, values)
  return rows
}

/** Every condition is written as the indexes have it, so that each question has a plan without a full scan. */
export function auditQuery(question: AuditQuestion): { text: string; values: unknown[] } {
  const values: unknown[] = []
  const put = (value: unknown) => `$${values.push(value)}`
  const field = (name: string) => `data ->> '${name}'`
  const types =
    question.outcome === undefined
      ? "type in ('key-auth.granted.v1', 'key-auth.denied.v1')"
      : `type = 'key-auth.${question.outcome === 'denied' ? 'denied' : 'granted'}.v1'`
  const where = [types, `time >= ${put(timeOf(question.sinceMs))}`]
  if (question.untilMs !== undefined) where.push(`time < ${put(timeOf(question.untilMs))}`)
  if (question.consumer !== undefined) {
    const name = put(question.consumer)
    const ids = ['consumer_id', 'consumer_username', 'consumer_custom_id'].map(n => `${field(n)} = ${name}`)
    where.push(`(${ids.join(' or ')})`)
  }
  if (question.credential !== undefined) where.push(`${field('credential_id')} = ${put(question.credential)}`)
  if (question.fingerprints !== undefined)
    where.push(`${field('key_fingerprint')} = any(${put(question.fingerprints)}::text[])`)
  if (question.address !== undefined) where.push(`${field('client_ip')} = ${put(question.address)}`)
  for (const entity of ['service', 'route'] as const) {
    const asked = question[entity]
    if (asked === undefined) continue
    const name = put(asked)
    where.push(`(${field(`${entity}_id`)} = ${name} or ${field(`${entity}_name`)} = ${name})`)
  }
  if (question.outcome !== undefined) where.push(`${field('outcome')} = ${put(question.outcome)}`)
  if (question.reason !== undefined) where.push(`${field('reason')} = ${put(question.reason)}`)
  if (question.behind !== undefined) {
    const { timeMs, id } = question.behind
    where.push(`(time, id) < (${put(new Date(timeMs))}, ${put(id)}::uuid)`)
  }
  const text = `select time, id, node, data from gateway_events
 where ${where.join('\n   and ')}
 order by time desc, id desc limit ${put(question.limit)}`
  return { text, values }
}
