import { useEffect, useState } from 'preact/hooks'
import { type Change, type ChangePage, listChanges, moreChanges } from '../api/changes.ts'
import { formatAgo } from '../model/format.ts'
import { toneOfChange, WORD_OF_CHANGE } from '../parts/change-state.ts'
import { useRepeated, useResource } from '../parts/hooks.ts'
import { Link } from '../parts/link.tsx'
import { Badge, Empty, Trouble } from '../parts/notice.tsx'
import { Page } from '../parts/page.tsx'
import { Table } from '../parts/table.tsx'

const EVERY_MS = 3_000

/** What was changed, by whom and why, the newest first. */
export function ChangesPage({ query }: { readonly query: URLSearchParams }) {
  const [kind, entity] = [query.get('kind') ?? '', query.get('entity') ?? '']
  const [state, setState] = useState('')
  const found = useResource(`changes ${state} ${entity}`, () =>
    listChanges({ state, kind, entity, size: '50' }),
  )
  const { value, reload } = found
  const [more, setMore] = useState<readonly ChangePage[]>([])
  const [trouble, setTrouble] = useState<Error>()
  useRepeated(() => more.length === 0 && void reload(), EVERY_MS)
  useEffect(() => setMore([]), [state])
  const rows = [...(value?.data ?? []), ...more.flatMap(({ data }) => data)]
  const next = more.length > 0 ? more.at(-1)?.next : value?.next
  return (
    <Page
      title="Changes"
      lead="What was changed, by whom and why. A change that was applied can be undone."
      of={found}
    >
      <form class="filters" onSubmit={event => event.preventDefault()}>
        <label>
          State
          <select value={state} onChange={({ currentTarget }) => setState(currentTarget.value)}>
            <option value="">All</option>
            {Object.entries(WORD_OF_CHANGE).map(([name, word]) => (
              <option key={name} value={name}>
                {word}
              </option>
            ))}
          </select>
        </label>
      </form>
      <Trouble error={trouble} />
      {value && rows.length === 0 && <Empty>No change yet.</Empty>}
      {rows.length > 0 && (
        <Table<Change>
          label="Changes"
          rows={rows}
          keyOf={({ id }) => id}
          columns={[
            {
              head: 'When',
              isShort: true,
              cell: change => (
                <Link to={['changes', change.id]}>{formatAgo(change.created_at, Date.now())}</Link>
              ),
            },
            {
              head: 'State',
              cell: ({ state }) => <Badge tone={toneOfChange(state)}>{WORD_OF_CHANGE[state] ?? state}</Badge>,
            },
            { head: 'Who', cell: ({ actor }) => actor },
            { head: 'What', cell: whatOf },
            { head: 'Reason', cell: ({ reason }) => reason ?? <span class="muted">–</span> },
          ]}
        />
      )}
      {next && (
        <button
          type="button"
          onClick={() => void moreChanges(next).then(page => setMore([...more, page]), setTrouble)}
        >
          Show older ones
        </button>
      )}
    </Page>
  )
}

const MOST_NAMED = 3

function whatOf({ undo_of: undoOf, entities = [], origin = '' }: Change): string {
  const named = entities.slice(0, MOST_NAMED).join(', ') || origin
  const more = entities.length > MOST_NAMED ? ' and others' : ''
  return `${undoOf ? 'Undo: ' : ''}${named}${more}`
}
