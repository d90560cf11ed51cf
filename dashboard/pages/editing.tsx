import { useState } from 'preact/hooks'
import type { Change, Ended } from '../api/changes.ts'
import type { ApiProblem } from '../api/client.ts'
import { readEntity, type Versioned } from '../api/entities.ts'
import { may } from '../api/session.ts'
import { type DraftStart, type EntityDraft, ownFields, useEntityDraft } from '../form/entity-draft.ts'
import { EntityForm } from '../form/form.tsx'
import { useRefusal } from '../form/refusal.ts'
import { withPatch } from '../model/difference.ts'
import type { KindView } from '../model/kinds.ts'
import { writePlace } from '../model/place.ts'
import type { Json } from '../model/schema.ts'
import { QuietButton } from '../parts/button.tsx'
import { Notice, Trouble } from '../parts/notice.tsx'
import { Review } from '../parts/review.tsx'
import { Conflict } from './conflict.tsx'
import { Made } from './made.tsx'
import { type Asked, deletionOf, savingOf } from './saving.ts'

export type Loaded = DraftStart

export interface EditingProps {
  readonly kind: KindView
  readonly loaded: Loaded
  readonly draftKey: string
  /** Resolves when the page shows what was saved. */
  readonly onSaved: (change: Change) => Promise<void>
}

const GONE = 'Somebody else has deleted this. What you typed is still here.'

/** The form of an entity, and what becomes of it: review, refusal, conflict, end. */
export function Editing({ kind, loaded, draftKey, onSaved }: EditingProps) {
  const draft = useEntityDraft(draftKey, loaded)
  const refusal = useRefusal()
  const [asked, setAsked] = useState<Asked>()
  const [theirs, setTheirs] = useState<Versioned>()
  const [made, setMade] = useState<Json>()
  const { base } = draft
  const onRefused = async (problem: ApiProblem) => {
    setAsked(undefined)
    if (problem.status === 412 && base)
      await readEntity(kind.path, String(base.row.id)).then(setTheirs, error =>
        refusal.show([], error.status === 404 ? new Error(GONE) : error),
      )
    else refusal.show(problem.faults, problem)
  }
  const onApplied = async ({ change, made: row }: Ended) => {
    draft.end()
    const hasSecret = row && kind.secrets?.some(name => typeof row[name] === 'string')
    if (asked?.isDeletion) location.hash = writePlace(['changes', change.id])
    else if (hasSecret) setMade(row)
    else if (row) location.hash = writePlace([kind.path, String(row.id)])
    // The review covers the form until it is that of the new version: nothing typed in between gets lost.
    else await onSaved(change)
    setAsked(undefined)
  }
  if (made) return <Made kind={kind} row={made} />
  return (
    <>
      <Resumed draft={draft} />
      <Trouble error={refusal.problem} />
      <DraftForm kind={kind} loaded={loaded} draft={draft} refusal={refusal} onAsk={setAsked} />
      {asked && (
        <Review
          title={asked.title}
          draft={asked.draft}
          onClose={() => setAsked(undefined)}
          onRefused={problem => void onRefused(problem)}
          onApplied={onApplied}
        />
      )}
      {theirs && (
        <ConflictOf draft={draft} loaded={loaded} theirs={theirs} onDone={() => setTheirs(undefined)} />
      )}
    </>
  )
}

interface DraftFormProps extends Pick<EditingProps, 'kind' | 'loaded'> {
  readonly draft: EntityDraft
  readonly refusal: ReturnType<typeof useRefusal>
  readonly onAsk: (asked: Asked) => void
}

/** The form with its buttons; what it cannot read itself never becomes a request. */
function DraftForm({ kind, loaded: { schema }, draft, refusal, onAsk }: DraftFormProps) {
  const { base, node, faults } = draft
  const save = () => {
    refusal.clear()
    if (faults.length > 0) refusal.show(faults)
    else onAsk(savingOf(kind, draft, schema))
  }
  const discard = () => {
    refusal.clear()
    draft.discard()
  }
  return (
    <EntityForm
      node={node}
      onChange={draft.edit}
      schema={schema}
      context={{
        faults: refusal.faults,
        isNew: !base,
        isReadOnly: !may('editor'),
        fixed: new Set(base ? kind.fixed : []),
      }}
      onSubmit={save}
      actions={
        <Actions draft={draft} onDiscard={discard} onDelete={() => base && onAsk(deletionOf(kind, base))} />
      }
    />
  )
}

function Resumed({ draft }: { draft: EntityDraft }) {
  if (!draft.isResumed) return null
  return (
    <Notice tone="plain">
      Your unsaved changes were kept. <QuietButton onClick={draft.discard}>Discard them</QuietButton>
    </Notice>
  )
}

interface ActionsProps {
  readonly draft: EntityDraft
  readonly onDiscard: () => void
  readonly onDelete: () => void
}

function Actions({ draft: { base, isDirty }, onDiscard, onDelete }: ActionsProps) {
  if (!may('editor')) return <p class="muted">Read only: your role is viewer.</p>
  return (
    <>
      <button type="submit" class="primary" disabled={!isDirty && base !== undefined}>
        {base ? 'Save…' : 'Create…'}
      </button>
      {isDirty && (
        <button type="button" onClick={onDiscard}>
          Discard
        </button>
      )}
      {base && (
        <button type="button" class="danger" onClick={onDelete}>
          Delete…
        </button>
      )}
    </>
  )
}

interface ConflictOfProps {
  readonly draft: EntityDraft
  readonly loaded: Loaded
  readonly theirs: Versioned
  readonly onDone: () => void
}

function ConflictOf({ draft, loaded: { schema }, theirs, onDone }: ConflictOfProps) {
  const now = ownFields(schema, theirs.row)
  return (
    <Conflict
      schema={schema}
      base={draft.row}
      theirs={now}
      patch={draft.patch}
      onClose={onDone}
      onUse={which => {
        draft.rebase(theirs, which === 'theirs' ? now : withPatch(schema, now, draft.patch))
        onDone()
      }}
    />
  )
}
