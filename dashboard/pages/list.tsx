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
      <form class="filters" role="search" onSubmit={event => event.preventDefault()}>
        <label>
          Search
          <input
            type="search"
            placeholder="part of a name, host, path or tag"
            value={text}
            onInput={({ currentTarget }) => {
              setText(currentTarget.value)
              setPages([])
            }}
          />
        </label>
        <label>
          Sort by
          <select
            value={sort}
            onChange={({ currentTarget }) => {
              setSort(currentTarget.value)
              setPages([])
            }}
          >
            <option value="name">Name</option>
            <option value="-created_at">Newest first</option>
            <option value="created_at">Oldest first</option>
          </select>
        </label>
        <span class="muted" role="status">
          {total !== undefined && `${formatNumber(total)} ${q === '' ? 'in all' : 'found'}`}
        </span>
      </form>
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
        <nav class="paging" aria-label="Pages of the list">
          <button type="button" disabled={pages.length === 0} onClick={() => setPages(pages.slice(0, -1))}>
            Previous
          </button>
          <span>Page {pages.length + 1}</span>
          <button
            type="button"
            disabled={!page?.next}
            onClick={() => page?.next && setPages([...pages, page.next])}
          >
            Next
          </button>
        </nav>
      )}
    </Frame>
  )
}
