import { AdminRefused } from '../../admin/answer.ts'
import { type Change, idIn, type Row } from '../change.ts'
import { KINDS, type Kind } from '../kinds.ts'
import type { AdminRequests } from './steps.ts'

/**
 * Makes one change. Every request may be sent twice: creations name their id (`PUT`), changes set whole fields, and
 * deleting what is gone is no failure.
 *
 * @returns the entity as Kong answered; null after a deletion, undefined where the answer does not say.
 */
export async function makeChange(kong: AdminRequests, change: Change): Promise<Row | null | undefined> {
  const kind = KINDS[change.kind]
  switch (change.action) {
    case 'create':
      return create(kong, kind, change.id, change.body)
    case 'update':
      return (await kong.request('PATCH', pathOf(change), change.body)) as Row | undefined
    case 'delete':
      return remove(kong, change)
  }
}

/**
 * Takes a change back, also one of which it is not known whether it was made.
 *
 * @returns the entity as Kong answered; null where it is not there, undefined where the answer does not say.
 */
export async function undoChange(kong: AdminRequests, change: Change): Promise<Row | null | undefined> {
  const { action, kind, id, fields, before } = change
  switch (action) {
    case 'create':
      return remove(kong, change)
    case 'update': {
      const body = Object.fromEntries(fields.map(name => [name, before?.[name] ?? null]))
      return (await kong.request('PATCH', pathOf(change), body)) as Row | undefined
    }
    case 'delete': {
      // What has expired meanwhile would be gone by now.
      if (isExpired(kong, change)) return undefined
      const row = await create(kong, KINDS[kind], id, restoredBody(change))
      // What is left of the time it was given, only a later look tells.
      return change.expiresAt === undefined ? row : undefined
    }
  }
}

/** The entity of a change as Kong holds it now. */
export const findEntity = (kong: AdminRequests, change: Change): Promise<Row | undefined> =>
  kong.find(pathOf(change))

/** Whether Kong would have dropped the entity by now, had it not been changed. */
export const isExpired = (kong: AdminRequests, { expiresAt }: Change): boolean =>
  expiresAt !== undefined && expiresAt <= kong.now()

/** Kong reports the seconds that are left, and counts those that it is given from `created_at`. */
function restoredBody({ before, row, expiresAt }: Change): Row {
  const createdAt = row?.created_at
  const body = { ...before, ...(createdAt !== undefined && { created_at: createdAt }) }
  if (expiresAt === undefined || typeof createdAt !== 'number') return body
  return { ...body, ttl: Math.round(expiresAt - createdAt) }
}

async function create(kong: AdminRequests, kind: Kind, id: string, body: Row): Promise<Row | undefined> {
  if (kind.within === undefined)
    return (await kong.request('PUT', `/${kind.path}/${id}`, body)) as Row | undefined
  const { [kind.within]: owner, ...rest } = body
  const collection = collectionPath(kind, owner)
  try {
    // Kong makes targets by POST only, which refuses an id that is taken.
    return (await kong.request('POST', collection, { ...rest, id })) as Row | undefined
  } catch (error) {
    // The answer to an earlier attempt may have been lost: then it is this entity that has the id.
    const isTaken = error instanceof AdminRefused && error.isDuplicate
    const present = isTaken ? await kong.find(`${collection}/${id}`) : undefined
    if (present) return present
    throw error
  }
}

async function remove(kong: AdminRequests, change: Change): Promise<null> {
  try {
    await kong.request('DELETE', pathOf(change))
  } catch (error) {
    if (!(error instanceof AdminRefused && error.status === 404)) throw error
  }
  return null
}

function pathOf({ kind: name, id, row, body }: Change): string {
  const kind = KINDS[name]
  if (kind.within === undefined) return `/${kind.path}/${id}`
  return `${collectionPath(kind, (row ?? body)[kind.within])}/${id}`
}

const collectionPath = (kind: Kind, owner: unknown): string => `/upstreams/${idIn(owner) ?? ''}/${kind.path}`
