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

/** All entities of a kind, searched and paged by the manager. */
export function ListPage({ kind }: { kind: KindView }) {
  const [text, setText] = useState('')
  const q = text.trim()
  const [sort, setSort] = useState('name')
  /** Paths of the pages behind the first one, up to the one in sight. */
  const [pages, setPages] = useState<readonly string[]>([])
  const path = pages.at(-1)
  const listed = useResource<Listed>(`${kind.path} ${path ?? `${q} ${sort}`}`, signal =>
    path === undefined
      ? listEntities(kind.path, { q, sort, size: SIZE, count: '1' }, signal).then(page => ({
          page,
          total: page.total,
        }))
      : nextPage(path, signal).then(page => ({ page })),
  )
  const { value } = listed
  const page = value?.page
  // Only the first page is told it.
  const counted = useRef<number>(undefined)
  if (value?.total !== undefined) counted.current = value.total
  const total = counted.current
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
        text={text}
        onType={next => {
          setText(next)
          setPages([])
        }}
        sort={sort}
        onSort={next => {
          setSort(next)
          setPages([])
        }}
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
  readonly text: string
  readonly onType: (text: string) => void
  readonly sort: string
  readonly onSort: (sort: string) => void
  /** How many there are. */
  readonly found: string | false
}

const Filters = ({ text, onType, sort, onSort, found }: FiltersProps) => (
  <form class="filters" role="search" onSubmit={event => event.preventDefault()}>
    <label>
      Search
      <input
        type="search"
        placeholder="part of a name, host, path or tag"
        value={text}
        onInput={({ currentTarget }) => onType(currentTarget.value)}
      />
    </label>
    <label>
      Sort by
      <select value={sort} onChange={({ currentTarget }) => onSort(currentTarget.value)}>
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
