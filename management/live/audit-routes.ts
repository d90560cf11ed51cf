import { type AuditAnswer, type AuditQuestion, auditQuery } from '../../events/postgres/audit.ts'
import { SluiceError } from '../../foundation/errors.ts'
import { type Static, Type } from '../../foundation/typebox.ts'
import { isUuid } from '../../foundation/uuid.ts'
import { Problem } from '../http/problem.ts'
import type { Module, Parts } from '../module.ts'
import { fingerprintsOf } from './fingerprints.ts'

const DEFAULT_SIZE = 100
const MOST = 1_000
const DEFAULT_SPAN = '1h'
const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const

const part = (description: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength: 500, description }))

const Question = Type.Object(
  {
    consumer: part('name, id or custom id'),
    credential: part('id of the credential in Kong'),
    fingerprint: Type.Optional(
      Type.Union(
        [Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { maxItems: 20 })],
        {
          description: 'of a key, see POST /v1/audit/key; several: any of them',
        },
      ),
    ),
    address: part('of the client'),
    service: part('name or id'),
    route: part('name or id'),
    outcome: Type.Optional(Type.Enum(['granted', 'denied', 'anonymous'])),
    reason: part('missing, duplicate, invalid, missing_or_invalid, forbidden, limited or error'),
    since: part('RFC 3339, or a span back from now: 30m, 1h, 7d'),
    until: part('the same'),
    size: Type.Optional(Type.Integer({ minimum: 1, maximum: MOST, default: DEFAULT_SIZE })),
    cursor: part('of `next` of the page before'),
  },
  { additionalProperties: false },
)

const Key = Type.Object(
  { key: Type.String({ minLength: 1, maxLength: 10_000 }) },
  { additionalProperties: false },
)

/** Who used which key, from the events in PostgreSQL. */
export const auditRoutes: Module = (app, parts) => {
  const tags = ['audit']
  const config = { access: 'viewer' } as const
  app.get(
    '/v1/audit',
    {
      config,
      schema: { tags, summary: 'Requests with their keys, the newest first', querystring: Question },
    },
    ({ query }) => ask(parts, query),
  )
  app.post(
    '/v1/audit/key',
    { config, schema: { tags, summary: 'The fingerprints of a key, which is not kept', body: Key } },
    async ({ body }, reply) => {
      void reply.header('cache-control', 'no-store')
      return { fingerprints: fingerprints(parts, body.key) }
    },
  )
}

async function ask({ live, clock }: Parts, query: Static<typeof Question>) {
  const { size = DEFAULT_SIZE } = query
  if (!live.events)
    throw new Problem('SLUICE_MANAGER_UNAVAILABLE', 'SLUICE_POSTGRES_URL is not set: no events are kept')
  const { text, values } = auditQuery({ ...questionOf(query, clock.now()), limit: size + 1 })
  const { rows } = await live.events
    .query<AuditAnswer & Record<string, unknown>>(text, values)
    .catch(whereNone)
  const page = rows.slice(0, size)
  const last = rows.length > size ? page.at(-1) : undefined
  return { data: page.map(shown), next: last ? writeCursor(last) : null }
}

/** The table is made with the first event. */
function whereNone(error: unknown): { rows: AuditAnswer[] } {
  if ((error as { code?: unknown }).code === '42P01') return { rows: [] }
  throw error
}

function questionOf(query: Static<typeof Question>, nowMs: number): Omit<AuditQuestion, 'limit'> {
  const { fingerprint, since = DEFAULT_SPAN, until, size: _size, cursor, ...rest } = query
  return {
    ...rest,
    ...(fingerprint !== undefined && { fingerprints: [fingerprint].flat() }),
    sinceMs: readTime(since, 'since', nowMs),
    ...(until !== undefined && { untilMs: readTime(until, 'until', nowMs) }),
    ...(cursor !== undefined && { behind: readCursor(cursor) }),
  }
}

function readTime(text: string, field: string, nowMs: number): number {
  const [, count, unit] = /^(\d{1,6})([smhdw])$/.exec(text) ?? []
  if (unit !== undefined) return nowMs - Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS]
  const timeMs = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(timeMs)) throw malformed(field, 'must be RFC 3339, or a span back from now such as 1h')
  return timeMs
}

const writeCursor = ({ time, id }: AuditAnswer): string => `${time.getTime()}.${id}`

function readCursor(text: string): { timeMs: number; id: string } {
  const [time = '', id = ''] = text.split('.')
  if (/^\d{1,14}$/.test(time) && isUuid(id)) return { timeMs: Number(time), id }
  throw malformed('cursor', 'is not one of this list; take it from `next` of an answer')
}

function malformed(field: string, reason: string): Problem {
  const detail = `${field}: ${reason}`
  return new Problem('SLUICE_MANAGER_MALFORMED', detail, {
    faults: [{ pointer: `?${field}`, code: 'invalid', detail }],
  })
}

const shown = ({ time, id, node, data }: AuditAnswer) => ({ time: time.toISOString(), id, node, ...data })

function fingerprints({ settings }: Parts, key: string) {
  try {
    return fingerprintsOf(settings, Buffer.from(key)).map(({ fingerprint, secretId, current }) => ({
      fingerprint,
      secret_id: secretId,
      current,
    }))
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    throw new Problem('SLUICE_MANAGER_UNAVAILABLE', error.message)
  }
}
