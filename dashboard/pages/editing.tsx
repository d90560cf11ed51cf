import { useState } from 'preact/hooks'
import { type Change, type Draft, draftOf, type Ended } from '../api/changes.ts'
import type { ApiProblem } from '../api/client.ts'
import { readEntity, type Versioned } from '../api/entities.ts'
import { may } from '../api/session.ts'
import { type DraftStart, type EntityDraft, ownFields, useEntityDraft } from '../form/entity-draft.ts'
import { EntityForm } from '../form/form.tsx'
import { knownPart, withPatch } from '../model/difference.ts'
import type { KindView } from '../model/kinds.ts'
import type { Operation } from '../model/operation.ts'
import { writePlace } from '../model/place.ts'
import type { FieldSchema, Json } from '../model/schema.ts'
import { QuietButton } from '../parts/button.tsx'
import { Notice, Trouble } from '../parts/notice.tsx'
import { Review } from '../parts/review.tsx'
import { Conflict } from './conflict.tsx'
import { Made } from './made.tsx'

export type Loaded = DraftStart

interface Asked {
  readonly title: string
  readonly draft: Draft
  readonly isDeletion: boolean
}

export interface EditingProps {
  readonly kind: KindView
  readonly loaded: Loaded
  readonly draftKey: string
  /** Resolves when the page shows what was saved. */
  readonly onSaved: (change: Change) => Promise<void>
}

/** The form of an entity, and what becomes of it: review, refusal, conflict, end. */
export function Editing({ kind, loaded, draftKey, onSaved }: EditingProps) {
  const { schema } = loaded
  const draft = useEntityDraft(draftKey, loaded)
  const refusal = useRefusal()
  const [asked, setAsked] = useState<Asked>()
  const [theirs, setTheirs] = useState<Versioned>()
  const [made, setMade] = useState<Json>()
  const { base } = draft
  const onRefused = async (problem: ApiProblem) => {
    setAsked(undefined)
    if (problem.status === 412 && base) setTheirs(await readEntity(kind.path, String(base.row.id)))
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
  const save = () => {
    refusal.clear()
    if (draft.faults.length > 0) refusal.show(draft.faults)
    else setAsked(savingOf(kind, draft, schema))
  }
  if (made) return <Made kind={kind} row={made} />
  return (
    <>
      <Resumed draft={draft} />
      <Trouble error={refusal.problem} />
      <EntityForm
        node={draft.node}
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
          <Actions
            draft={draft}
            onDiscard={() => {
              refusal.clear()
              draft.discard()
            }}
            onDelete={() => base && setAsked(deletionOf(kind, base))}
          />
        }
      />
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

function savingOf(
  { path: kind, noun }: KindView,
  { base, value, patch }: EntityDraft,
  schema: FieldSchema,
): Asked {
  // Kong checks the configuration of a plugin as it is sent, so it is sent whole.
  const isConfigured = kind === 'plugins' && patch.config !== undefined
  const { config } = isConfigured ? (knownPart(schema, value) as Json) : patch
  const body = { ...patch, ...(isConfigured && { config }) }
  const operation: Operation = base
    ? { action: 'update', kind, key: String(base.row.id), body, if_match: base.etag }
    : { action: 'create', kind, body: value }
  const title = base ? 'Save these changes?' : `Create this ${noun}?`
  return { title, draft: draftOf(operation), isDeletion: false }
}

function deletionOf({ path: kind, noun }: KindView, { row, etag }: Versioned): Asked {
  const operation: Operation = { action: 'delete', kind, key: String(row.id), if_match: etag }
  return { title: `Delete this ${noun}?`, draft: draftOf(operation), isDeletion: true }
}

/** What is wrong with the form, at its fields. */
function useRefusal() {
  const [faults, setFaults] = useState<ReadonlyMap<string, string>>(new Map())
  const [problem, setProblem] = useState<Error>()
  return {
    faults,
    problem,
    clear() {
      setFaults(new Map())
      setProblem(undefined)
    },
    show(entries: readonly { readonly pointer: string; readonly detail: string }[], error?: Error) {
      setFaults(new Map(entries.map(({ pointer, detail }) => [pointer, withoutPath(pointer, detail)])))
      setProblem(error)
      const [first] = entries
      if (first) requestAnimationFrame(() => focusAt(first.pointer))
    },
  }
}

/** A sentence that stands at its field need not name it. */
function withoutPath(pointer: string, detail: string): string {
  const path = `${pointer.slice(1).replaceAll('/', '.')}: `
  return detail.startsWith(path) ? detail.slice(path.length) : detail
}

/** Puts the focus into the field that is wrong, or the one around it. */
function focusAt(pointer: string): void {
  for (let at = pointer; at !== ''; at = at.slice(0, at.lastIndexOf('/'))) {
    const field = document.querySelector(`[data-pointer="${CSS.escape(at)}"]`)
    const input = field?.querySelector<HTMLElement>('input, select, textarea, button')
    if (!input) continue
    input.scrollIntoView({ block: 'center' })
    input.focus({ preventScroll: true })
    return
  }
}

function Resumed({ draft }: { draft: EntityDraft }) {
  if (!draft.isResumed) return null
  return (
    <Notice tone="plain">
      What you typed here before is still there. <QuietButton onClick={draft.discard}>Discard it</QuietButton>
    </Notice>
  )
}

interface ActionsProps {
  readonly draft: EntityDraft
  readonly onDiscard: () => void
  readonly onDelete: () => void
}

function Actions({ draft: { base, isDirty }, onDiscard, onDelete }: ActionsProps) {
  if (!may('editor'))
    return <p class="muted">You can look at this, but not change it: your role is viewer.</p>
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
