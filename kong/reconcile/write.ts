import { AdminRefused } from '../admin/answer.ts'
import type { AdminClient, Row } from '../admin/client.ts'
import type { Change } from './diff.ts'
import { KINDS, type Kind } from './kinds.ts'

/**
 * Makes one change. Every request may be sent twice: creations name their id (`PUT`), changes set whole fields, and
 * deleting what is gone is no failure.
 */
export async function makeChange(client: AdminClient, change: Change): Promise<void> {
  const kind = KINDS[change.kind]
  switch (change.action) {
    case 'create':
      return create(client, kind, change.id, change.body)
    case 'update':
      await client.request('PATCH', pathOf(kind, change.id, change.row ?? {}), change.body)
      return
    case 'delete':
      return remove(client, kind, change.id, change.row ?? {})
  }
}

/** Takes a change back, also one of which it is not known whether it was made. */
export async function undoChange(client: AdminClient, change: Change): Promise<void> {
  const kind = KINDS[change.kind]
  const row = change.row ?? {}
  switch (change.action) {
    case 'create':
      return remove(client, kind, change.id, change.body)
    case 'update': {
      const before = change.fields.map(name => [name, change.before?.[name] ?? null])
      await client.request('PATCH', pathOf(kind, change.id, row), Object.fromEntries(before))
      return
    }
    case 'delete': {
      const { created_at, ttl } = row
      const body = { ...change.before, created_at, ...(typeof ttl === 'number' && { ttl }) }
      return create(client, kind, change.id, body)
    }
  }
}

async function create(client: AdminClient, kind: Kind, id: string, body: Row): Promise<void> {
  if (kind.within === undefined) {
    await client.request('PUT', `/${kind.path}/${id}`, body)
    return
  }
  const { [kind.within]: owner, ...rest } = body
  try {
    // Kong makes targets by POST only, which refuses an id that is taken.
    await client.request('POST', collectionPath(kind, owner), { ...rest, id })
  } catch (error) {
    // A first answer may have been lost: then the one that stands in the way is this one.
    const isTaken = error instanceof AdminRefused && error.isDuplicate
    if (!isTaken || !(await client.find(pathOf(kind, id, body)))) throw error
  }
}

async function remove(client: AdminClient, kind: Kind, id: string, row: Row): Promise<void> {
  try {
    await client.request('DELETE', pathOf(kind, id, row))
  } catch (error) {
    if (!(error instanceof AdminRefused && error.status === 404)) throw error
  }
}

const pathOf = (kind: Kind, id: string, row: Row): string =>
  kind.within === undefined ? `/${kind.path}/${id}` : `${collectionPath(kind, row[kind.within])}/${id}`

const collectionPath = (kind: Kind, owner: unknown): string =>
  `/upstreams/${(owner as { id?: string } | undefined)?.id ?? ''}/${kind.path}`
