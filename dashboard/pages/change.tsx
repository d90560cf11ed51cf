import { useState } from 'preact/hooks'
import { type Change, isEnded, readChange, resolveChange, retryChange } from '../api/changes.ts'
import { may } from '../api/session.ts'
import { formatSpan, formatTime } from '../model/format.ts'
import { toneOfChange, WORD_OF_CHANGE } from '../parts/change-state.ts'
import { Steps } from '../parts/difference.tsx'
import { Fact } from '../parts/fact.tsx'
import { useRepeated, useResource } from '../parts/hooks.ts'
import { Link } from '../parts/link.tsx'
import { Badge, Notice, Trouble } from '../parts/notice.tsx'
import { Page } from '../parts/page.tsx'
import { UndoButton } from '../parts/undo.tsx'

const EVERY_MS = 700

/** One change: how it goes, what it did field by field, and its undo. */
export function ChangePage({ id }: { id: string }) {
  const resource = useResource(`change ${id}`, () => readChange(id))
  const { value: change, reload } = resource
  const [isUndone, setUndone] = useState(false)
  const isOpen = change?.state === 'stuck' && !change.resolution
  useRepeated(() => {
    if (change && (!isEnded(change) || isOpen)) void reload()
  }, EVERY_MS)
  const canUndo = change?.state === 'applied' && may('editor') && !change.undone_by && !isUndone
  return (
    <Page
      title={titleOf(change)}
      of={resource}
      lead={<a href="#/changes">Changes</a>}
      actions={
        canUndo && (
          <UndoButton
            id={id}
            onUndone={() => {
              setUndone(true)
              void reload()
            }}
          />
        )
      }
    >
      {(isUndone || change?.undone_by) && <Notice tone="good">This change was undone.</Notice>}
      {change && <Facts change={change} />}
      {change?.failure && (
        <Notice tone="bad">
          <strong>{change.failure.detail}</strong> {change.failure.remedy}
        </Notice>
      )}
      {isOpen && change && <Stuck change={change} onDone={reload} />}
      {change?.steps && <Steps steps={change.steps} />}
    </Page>
  )
}

function titleOf({ steps = [] }: Partial<Change> = {}): string {
  const [first] = steps
  if (!first) return 'Change'
  return `Change of ${first.label}${steps.length > 1 ? ` and ${steps.length - 1} more` : ''}`
}

function Facts({ change }: { change: Change }) {
  const { state, actor, reason, origin, undo_of: undoOf, created_at: createdAt, ended_at: endedAt } = change
  const tookMs = endedAt ? Date.parse(endedAt) - Date.parse(createdAt) : undefined
  return (
    <dl class="facts">
      <Fact name="State">
        <Badge tone={toneOfChange(state)}>{WORD_OF_CHANGE[state] ?? state}</Badge>
        {change.position !== undefined && change.position > 0 && ` ${change.position} changes ahead of it`}
        {change.next_attempt_at && ` tried again at ${formatTime(change.next_attempt_at)}`}
      </Fact>
      <Fact name="Who">{actor}</Fact>
      <Fact name="When">
        {formatTime(createdAt)}
        {tookMs !== undefined && <span class="muted"> took {formatSpan(tookMs)}</span>}
      </Fact>
      <Fact name="Reason">{reason ?? <span class="muted">none given</span>}</Fact>
      {origin !== undefined && (
        <Fact name="Request">
          <code>{origin}</code>
        </Fact>
      )}
      {undoOf && (
        <Fact name="Undoes">
          <Link to={['changes', undoOf]}>{undoOf.slice(0, 8)}</Link>
        </Fact>
      )}
      {change.resolution && (
        <Fact name="Resolved">
          by {change.resolution.actor}: {change.resolution.reason}
        </Fact>
      )}
    </dl>
  )
}

/** What could not be put back, and how to go on. */
function Stuck({ change, onDone }: { change: Change; onDone: () => void }) {
  const [reason, setReason] = useState('')
  const [error, setError] = useState<Error>()
  const run = (work: (id: string, reason: string) => Promise<unknown>) =>
    void work(change.id, reason).then(onDone, setError)
  return (
    <Notice tone="bad">
      <p>
        <strong>Part of this change could not be undone.</strong> The entities below cannot be changed until
        you retry or resolve it.
      </p>
      <ul>
        {change.stuck?.map(({ kind, id, label, reason }) => (
          <li key={id}>
            <Link to={[kind, id]}>{label}</Link>: {reason}
          </li>
        ))}
      </ul>
      <Trouble error={error} />
      {may('editor') && (
        <form class="filters" onSubmit={event => event.preventDefault()}>
          <label>
            Reason, required to leave it
            <input value={reason} onInput={({ currentTarget }) => setReason(currentTarget.value)} />
          </label>
          <button type="button" onClick={() => run(retryChange)}>
            Try to undo it again
          </button>
          <button type="button" disabled={reason === ''} onClick={() => run(resolveChange)}>
            Leave it as it is
          </button>
        </form>
      )}
    </Notice>
  )
}
