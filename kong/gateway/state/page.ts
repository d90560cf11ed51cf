import { invalidOffset, invalidOption, invalidSize } from './errors.ts'
import type { Row } from './table.ts'

export interface PageOptions {
  /** Rows of a page, 1 to 1,000; 100 where it is left out. */
  readonly size?: number
  /** From an earlier page. */
  readonly offset?: string
  /** `a,b`: both tags; `a/b`: one of them. */
  readonly tags?: string
  /** False takes no full page for the last one, as a Kong without a database does. */
  readonly looksAhead?: boolean
  /** Only the entities that refer to one other. */
  readonly scope?: { readonly field: string; readonly id: string }
}

export interface Page {
  readonly data: readonly Row[]
  /** Where the next page starts; absent on the last one. */
  readonly offset?: string
}

const DEFAULT_SIZE = 100
const MAX_SIZE = 1000

/** @param rows in the order of their ids. */
export function cutPage(rows: readonly Row[], options: PageOptions): Page {
  const matches = options.tags === undefined ? undefined : tagFilter(options.tags)
  const chosen = matches ? rows.filter(row => matches(tagsOf(row))) : rows
  return cutList(chosen, ({ id }) => id, options)
}

const tagsOf = ({ tags }: Row): readonly string[] => (Array.isArray(tags) ? tags : [])

/**
 * Cuts one page out of a list.
 *
 * @param keyOf what the list is ordered by, and what an offset names
 */
export function cutList<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  { size = DEFAULT_SIZE, offset, looksAhead = true }: Pick<PageOptions, 'size' | 'offset' | 'looksAhead'>,
): { readonly data: readonly T[]; readonly offset?: string } {
  if (Number.isNaN(size)) throw invalidSize('size must be a number')
  if (!Number.isInteger(size) || size < 1 || size > MAX_SIZE)
    throw invalidSize(`size must be an integer between 1 and ${MAX_SIZE}`)
  const first = offset === undefined ? undefined : decodeOffset(offset)
  const start = first === undefined ? 0 : items.findIndex(item => keyOf(item) >= first)
  if (start < 0) return { data: [] }
  const data = items.slice(start, start + size)
  const last = data.at(-1)
  const next = items[start + size]
  if (!looksAhead && last && data.length === size) return { data, offset: encodeOffset(`${keyOf(last)}\0`) }
  return { data, ...(next && { offset: encodeOffset(keyOf(next)) }) }
}

const encodeOffset = (id: string): string =>
  Buffer.from(JSON.stringify([id]))
    .toString('base64')
    .replace(/=+$/, '')

function decodeOffset(offset: string): string {
  const text = offset.replace(/=+$/, '')
  if (!/^[A-Za-z0-9+/]*$/.test(text) || text.length % 4 === 1)
    throw invalidOffset(offset, 'bad base64 encoding')
  try {
    const [id] = JSON.parse(Buffer.from(text, 'base64').toString()) as unknown[]
    if (typeof id === 'string') return id
  } catch {
    // Told below.
  }
  throw invalidOffset(offset, 'bad json encoding')
}

/** Printable ASCII without comma and slash, and anything beyond ASCII. */
const TAG = String.raw`(?:[ -+\-.0-~]|\P{ASCII})+`
const ALL_OF = new RegExp(`^(?:${TAG}(?:,|$))+$`, 'u')
const ANY_OF = new RegExp(`^(?:${TAG}(?:/|$))+$`, 'u')

/** @throws EntityError for no tag, for more than five, or for commas and slashes mixed. */
export function tagFilter(text: string): (tags: readonly string[]) => boolean {
  if (text === '') throw invalidOption('tags', 'cannot be null')
  const all = ALL_OF.test(text)
  if (!all && !ANY_OF.test(text)) throw invalidOption('tags', 'invalid filter syntax')
  const wanted = text.split(all ? ',' : '/').filter(tag => tag !== '')
  if (wanted.length > 5) throw invalidOption('tags', 'cannot query more than 5 tags')
  return tags => (all ? wanted.every(tag => tags.includes(tag)) : wanted.some(tag => tags.includes(tag)))
}
