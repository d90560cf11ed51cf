import { useState } from 'preact/hooks'
import { type Change, listChanges, moreChanges } from '../api/changes.ts'
import { formatAgo } from '../model/format.ts'
import { toneOfChange, WORD_OF_CHANGE } from '../parts/change-state.ts'
import { useRepeated, useResource } from '../parts/hooks.ts'
import { Link } from '../parts/link.tsx'
import { Badge, Empty, None } from '../parts/notice.tsx'
import { useOlder } from '../parts/older.tsx'
import { Page } from '../parts/page.tsx'
import { Table } from '../parts/table.tsx'

const EVERY_MS = 3_000

/** What was changed, by whom and why, the newest first. */
export function ChangesPage({ query }: { readonly query: URLSearchParams }) {
  const [kind, entity] = [query.get('kind') ?? '', query.get('entity') ?? '']
  const [state, setState] = useState('')
  const key = `changes ${state} ${entity}`
  const found = useResource(key, () => listChanges({ state, kind, entity, size: '50' }))
  const { rows, isEmpty, isFirst, more } = useOlder(key, found, moreChanges)
  useRepeated(() => isFirst && void found.reload(), EVERY_MS)
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
      {isEmpty && <Empty>{state === '' ? 'No change yet.' : 'No change is in this state.'}</Empty>}
      {rows.length > 0 && <ChangeTable changes={rows} />}
      {more}
    </Page>
  )
}

const ChangeTable = ({ changes }: { readonly changes: readonly Change[] }) => (
  <Table<Change>
    label="Changes"
    rows={changes}
    keyOf={({ id }) => id}
    columns={[
      {
        head: 'When',
        isShort: true,
        cell: ({ id, created_at: at }) => <Link to={['changes', id]}>{formatAgo(at, Date.now())}</Link>,
      },
      {
        head: 'State',
        cell: ({ state }) => <Badge tone={toneOfChange(state)}>{WORD_OF_CHANGE[state] ?? state}</Badge>,
      },
      { head: 'Who', cell: ({ actor }) => actor },
      { head: 'What', cell: whatOf },
      { head: 'Reason', cell: ({ reason }) => reason ?? <None /> },
    ]}
  />
)

const MOST_NAMED = 3

function whatOf({ undo_of: undoOf, entities = [], origin = '' }: Change): string {
  const named = entities.slice(0, MOST_NAMED).join(', ') || origin
  const more = entities.length > MOST_NAMED ? ' and others' : ''
  return `${undoOf ? 'Undo: ' : ''}${named}${more}`
}
