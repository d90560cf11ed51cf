import { useRef, useState } from 'preact/hooks'
import { listEntities, nextPage, type Page } from '../api/entities.ts'
import { may } from '../api/session.ts'
import { formatAgo, formatNumber } from '../model/format.ts'
import type { KindView } from '../model/kinds.ts'
import { writePlace } from '../model/place.ts'
import { EntityTable } from '../parts/entity-table.tsx'
import { useResource } from '../parts/hooks.ts'
import { Empty } from '../parts/notice.tsx'
import { Page as Frame } from '../parts/page.tsx'

const SIZE = '50'

interface Listed {
  readonly page: Page
  readonly total?: number | undefined
}

interface Asked {
  readonly text: string
  readonly sort: string
}

/** One page of a kind's entities, as they were asked for. */
function useListing({ path: collection }: KindView) {
  const [asked, setAsked] = useState<Asked>({ text: '', sort: 'name' })
  const { sort } = asked
  const q = asked.text.trim()
  /** Paths of the pages behind the first one, up to the one in sight. */
  const [pages, setPages] = useState<readonly string[]>([])
  const path = pages.at(-1)
  const listed = useResource<Listed>(`${collection} ${path ?? `${q} ${sort}`}`, signal =>
    path === undefined
      ? listEntities(collection, { q, sort, size: SIZE, count: '1' }, signal).then(page => ({
          page,
          total: page.total,
        }))
      : nextPage(path, signal).then(page => ({ page })),
  )
  const { value } = listed
  // Only the first page comes with it.
  const counted = useRef<number>(undefined)
  if (value?.total !== undefined) counted.current = value.total
  const ask = (next: Asked) => {
    setAsked(next)
    setPages([])
  }
  return { asked, ask, q, listed, page: value?.page, total: counted.current, pages, setPages }
}

/** All entities of a kind, searched and paged by the manager. */
export function ListPage({ kind }: { kind: KindView }) {
  const { asked, ask, q, listed, page, total, pages, setPages } = useListing(kind)
  return (
    <Frame
      title={kind.title}
      of={listed}
      actions={
        may('editor') && (
          <a class="button primary" href={writePlace([kind.path, 'new'])}>
            New {kind.noun}
          </a>
        )
      }
    >
      <Filters
        asked={asked}
        onAsk={ask}
        found={total !== undefined && `${formatNumber(total)} ${q === '' ? 'in all' : 'found'}`}
      />
      {page && page.data.length === 0 && (
        <Empty>{q === '' ? `There is no ${kind.noun} yet.` : `No ${kind.noun} matches “${q}”.`}</Empty>
      )}
      {page && page.data.length > 0 && (
        <EntityTable
          kind={kind}
          rows={page.data}
          extra={['Created', row => formatAgo(Number(row.created_at), Date.now())]}
        />
      )}
      {(pages.length > 0 || page?.next) && (
        <Paging
          number={pages.length + 1}
          onPrevious={() => setPages(pages.slice(0, -1))}
          onNext={page?.next ? () => page.next && setPages([...pages, page.next]) : undefined}
        />
      )}
    </Frame>
  )
}

interface FiltersProps {
  readonly asked: Asked
  readonly onAsk: (asked: Asked) => void
  /** How many there are. */
  readonly found: string | false
}

const Filters = ({ asked, onAsk, found }: FiltersProps) => (
  <form class="filters" role="search" onSubmit={event => event.preventDefault()}>
    <label>
      Search
      <input
        type="search"
        placeholder="part of a name, host, path or tag"
        value={asked.text}
        onInput={({ currentTarget }) => onAsk({ ...asked, text: currentTarget.value })}
      />
    </label>
    <label>
      Sort by
      <select
        value={asked.sort}
        onChange={({ currentTarget }) => onAsk({ ...asked, sort: currentTarget.value })}
      >
        <option value="name">Name</option>
        <option value="-created_at">Newest first</option>
        <option value="created_at">Oldest first</option>
      </select>
    </label>
    <span class="muted" role="status">
      {found}
    </span>
  </form>
)

interface PagingProps {
  readonly number: number
  readonly onPrevious: () => void
  /** Undefined on the last page. */
  readonly onNext: (() => void) | undefined
}

const Paging = ({ number, onPrevious, onNext }: PagingProps) => (
  <nav class="paging" aria-label="Pages of the list">
    <button type="button" disabled={number === 1} onClick={onPrevious}>
      Previous
    </button>
    <span>Page {number}</span>
    <button type="button" disabled={!onNext} onClick={onNext}>
      Next
    </button>
  </nav>
)
