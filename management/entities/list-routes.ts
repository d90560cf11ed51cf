import type { FastifyReply } from 'fastify'
import { type Static, Type } from '../../foundation/typebox.ts'
import { KIND_NAMES, KINDS, type Kind, type KindName } from '../../kong/reconcile/kinds.ts'
import { Problem } from '../http/problem.ts'
import { REFERENCE_COLUMNS } from '../mirror/store.ts'
import type { Module, Parts } from '../module.ts'
import { readCursor, writeCursor } from './cursor.ts'
import { type ListFilter, SORTS, type Sort } from './list-query.ts'

const DEFAULT_SIZE = 100
const MOST = 1_000

const Page = {
  q: Type.Optional(
    Type.String({ minLength: 1, maxLength: 200, description: 'part of a name, host, path or tag' }),
  ),
  tags: Type.Optional(
    Type.String({ minLength: 1, description: '`a,b`: with both tags; `a/b`: with one of them' }),
  ),
  sort: Type.Optional(
    Type.Enum([...SORTS], { type: 'string', default: 'name', description: '`-` in front: downwards' }),
  ),
  size: Type.Optional(Type.Integer({ minimum: 1, maximum: MOST, default: DEFAULT_SIZE })),
  cursor: Type.Optional(Type.String({ description: 'of `next` of the page before' })),
  count: Type.Optional(Type.Literal('1', { description: 'tells how many there are in all' })),
}

const Filters = {
  enabled: Type.Boolean(),
  reference: Type.String({ minLength: 1, description: 'id or name of the entity that they refer to' }),
}

type Query = Readonly<Record<string, unknown>> & Static<Type.TObject<typeof Page>>

/** Lists of entities, from the mirror. */
export const listRoutes: Module = (app, parts) => {
  for (const name of KIND_NAMES) {
    const kind = KINDS[name]
    const { path, noun } = kind
    app.get(
      `/v1/${path}`,
      {
        config: { access: 'viewer' },
        schema: {
          tags: [path],
          summary: `List ${noun}s`,
          querystring: Type.Object({ ...Page, ...filtersOf(kind) }, { additionalProperties: false }),
        },
      },
      (request, reply) => answerList(kind, request.query as Query, reply, parts),
    )
  }
}

/** Fields by which a kind can be filtered: its references, and whether it is enabled. */
function filtersOf({ references, schema }: Kind) {
  const hasEnabled = schema.fields.some(field => 'enabled' in field)
  return {
    ...(hasEnabled && { enabled: Type.Optional(Filters.enabled) }),
    ...Object.fromEntries(references.map(({ field }) => [field, Type.Optional(Filters.reference)])),
  }
}

async function answerList(kind: Kind, query: Query, reply: FastifyReply, parts: Parts): Promise<unknown> {
  const { reads, readiness } = parts
  const sort: Sort = query.sort ?? 'name'
  const size = query.size ?? DEFAULT_SIZE
  const filter = await readFilter(kind, query, parts)
  const after = query.cursor === undefined ? undefined : readCursor(query.cursor, sort)
  const [page, total] = await Promise.all([
    filter ? reads.page({ ...filter, sort, size, after }) : { items: [], last: undefined },
    query.count === undefined ? undefined : filter ? reads.count(filter) : 0,
  ])
  const next = page.last && nextPath(kind, query, writeCursor({ sort, ...page.last }))
  const tail = `,"next":${JSON.stringify(next ?? null)}${total === undefined ? '' : `,"total":${total}`}}`
  if (readiness.readAt) reply.header('sluice-as-of', readiness.readAt.toISOString())
  return reply.type('application/json; charset=utf-8').send(`{"data":[${page.items.join(',')}]${tail}`)
}

/** @returns undefined where a reference names nothing, so that nothing refers to it. */
async function readFilter(kind: Kind, query: Query, { reads }: Parts): Promise<ListFilter | undefined> {
  const references: Record<string, string> = {}
  for (const { field, to } of kind.references) {
    const key = query[field]
    const column = REFERENCE_COLUMNS[field]
    if (typeof key !== 'string' || column === undefined) continue
    const id = await reads.idOf(to as KindName, key)
    if (id === undefined) return undefined
    references[column] = id
  }
  return {
    kind: kind.name,
    references,
    ...(query.q !== undefined && { q: query.q }),
    ...(query.tags !== undefined && { tags: readTags(query.tags) }),
    ...(typeof query.enabled === 'boolean' && { enabled: query.enabled }),
  }
}

/** As Kong reads them. */
function readTags(text: string) {
  const isAny = text.includes('/')
  const names = text.split(isAny ? '/' : ',')
  if ((isAny && text.includes(',')) || names.includes('')) {
    const detail = 'tags: `a,b` or `a/b`, not both, and no empty tag'
    throw new Problem('SLUICE_MANAGER_MALFORMED', detail, {
      faults: [{ pointer: '?tags', code: 'tags', detail }],
    })
  }
  return { names, isAny }
}

function nextPath({ path }: Kind, query: Query, cursor: string): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query))
    if (name !== 'cursor' && name !== 'count' && value !== undefined) parameters.set(name, String(value))
  parameters.set('cursor', cursor)
  return `/v1/${path}?${parameters}`
}
