import { Problem } from '../http/problem.ts'

/** Where a page ends: the sort it belongs to, the value of the last entity, and its id. */
export interface Cursor {
  readonly sort: string
  readonly value: string | number
  readonly id: string
}

export const writeCursor = ({ sort, value, id }: Cursor): string =>
  Buffer.from(JSON.stringify([sort, value, id])).toString('base64url')

/** @throws Problem for what is no cursor of a list that is sorted like this. */
export function readCursor(text: string, sort: string): Cursor {
  try {
    const parts: unknown = JSON.parse(Buffer.from(text, 'base64url').toString())
    if (Array.isArray(parts) && parts.length === 3) {
      const [ownSort, value, id] = parts as unknown[]
      const isRight = sort.endsWith('created_at') ? typeof value === 'number' : typeof value === 'string'
      if (ownSort === sort && isRight && typeof id === 'string' && /^[0-9a-f-]{36}$/.test(id))
        return { sort, value: value as string | number, id }
    }
  } catch {
    // Told below.
  }
  const detail = 'cursor: is not one of this list with this sort; take it from `next` of an answer'
  throw new Problem('SLUICE_MANAGER_MALFORMED', detail, {
    faults: [{ pointer: '?cursor', code: 'cursor', detail }],
  })
}
