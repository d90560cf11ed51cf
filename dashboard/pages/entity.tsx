import { useEffect, useMemo, useState } from 'preact/hooks'
import type { Change, Draft } from '../api/changes.ts'
import type { ApiProblem } from '../api/client.ts'
import { pluginSchema, readEntity, schemaOf, type Versioned } from '../api/entities.ts'
import { may } from '../api/session.ts'
import { drafts } from '../form/drafts.ts'
import { EntityForm } from '../form/form.tsx'
import { patchOf, withPatch } from '../model/difference.ts'
import { type FormNode, toNode, toValue } from '../model/form.ts'
import { formatTime } from '../model/format.ts'
import { type KindView, labelOf } from '../model/kinds.ts'
import { writePlace } from '../model/place.ts'
import { entityFields, type FieldSchema, isObject, type Json } from '../model/schema.ts'
import { useResource } from '../parts/hooks.ts'
import { Notice, Trouble } from '../parts/notice.tsx'
import { Page } from '../parts/page.tsx'
import { Review } from '../parts/review.tsx'
import { Applied } from '../parts/undo.tsx'
import { Children } from './children.tsx'
import { Conflict } from './conflict.tsx'
import { Made } from './made.tsx'
import { PluginChoice } from './plugin-choice.tsx'

export interface EntityPageProps {
  readonly kind: KindView
  /** `new`: it is to be made. */
  readonly id: string
  readonly query: URLSearchParams
}

interface Loaded {
  readonly schema: FieldSchema
  /** Undefined: it is to be made. */
  readonly base: Versioned | undefined
  /** What a new one begins with. */
  readonly start: Json
}

export function EntityPage({ kind, id, query }: EntityPageProps) {
  const isNew = id === 'new'
  const plugin = query.get('name') ?? ''
  const [turn, setTurn] = useState(0)
  const [applied, setApplied] = useState<Change>()
  const { value, error, reload } = useResource(`${kind.path}/${id}?${query} ${turn}`, () =>
    isNew && kind.path === 'plugins' && plugin === '' ? Promise.resolve(undefined) : load(kind, id, query),
  )
  if (isNew && kind.path === 'plugins' && plugin === '') return <PluginChoice query={query} />
  const title = isNew
    ? `New ${kind.noun}${plugin === '' ? '' : `: ${plugin}`}`
    : value?.base
      ? labelOf(kind, value.base.row)
      : kind.title
  return (
    <Page title={title} lead={<Lead kind={kind} row={value?.base?.row} />}>
      <Trouble error={error} onRetry={reload} />
      {applied && (
        <Applied
          change={applied}
          text="Saved."
          onUndone={() => {
            setApplied(undefined)
            setTurn(turn + 1)
          }}
        />
      )}
      {value && (
        <Editing
          // Another version is another form.
          key={`${value.base?.etag} ${turn}`}
          kind={kind}
          loaded={value}
          draftKey={`${kind.path}/${id}?${query}`}
          onSaved={change => {
            setApplied(change)
            setTurn(turn + 1)
          }}
        />
      )}
      {value?.base && <Children kind={kind} id={String(value.base.row.id)} />}
    </Page>
  )
}

async function load(kind: KindView, id: string, query: URLSearchParams): Promise<Loaded> {
  const [schema, base] = await Promise.all([
    schemaOf(kind.schema),
    id === 'new' ? undefined : readEntity(kind.path, id),
  ])
  const name = kind.path === 'plugins' ? String(base?.row.name ?? query.get('name') ?? '') : ''
  const fields = entityFields(schema, name === '' ? undefined : await pluginSchema(name))
  const names = new Set((fields.fields ?? []).flatMap(field => Object.keys(field)))
  const given = [...query].filter(([field]) => names.has(field))
  const start = Object.fromEntries(
    given.map(([field, text]) => [field, field === 'name' ? text : { id: text }]),
  )
  return { schema: fields, base, start }
}

function Lead({ kind, row }: { kind: KindView; row: Json | undefined }) {
  return (
    <>
      <a href={writePlace([kind.path])}>{kind.title}</a>
      {row && (
        <span class="muted">
          {' '}
          · <code>{String(row.id)}</code> · created {formatTime(Number(row.created_at))}
          {typeof row.updated_at === 'number' && ` · changed ${formatTime(row.updated_at)}`}
        </span>
      )}
    </>
  )
}

interface EditingProps {
  readonly kind: KindView
  readonly loaded: Loaded
  readonly draftKey: string
  readonly onSaved: (change: Change) => void
}

/** The entity's own fields, without times and id. */
const ownFields = (schema: FieldSchema, row: Json): Json => {
  const names = new Set((schema.fields ?? []).flatMap(field => Object.keys(field)))
  return Object.fromEntries(Object.entries(row).filter(([name]) => names.has(name)))
}

function Editing({ kind, loaded, draftKey, onSaved }: EditingProps) {
  const { schema } = loaded
  const draft = drafts.get(draftKey)
  const [base, setBase] = useState(draft?.base ?? loaded.base)
  const row = useMemo(() => (base ? ownFields(schema, base.row) : loaded.start), [base])
  const [node, setNode] = useState<FormNode>(() => draft?.node ?? toNode(schema, row))
  const [faults, setFaults] = useState<ReadonlyMap<string, string>>(new Map())
  const [problem, setProblem] = useState<Error>()
  const [review, setReview] = useState<{ title: string; draft: Draft; isDeletion: boolean }>()
  const [theirs, setTheirs] = useState<Versioned>()
  const [made, setMade] = useState<Json>()
  const isNew = base === undefined
  const isReadOnly = !may('editor')
  const value = useMemo(() => toValue(node), [node])
  const patch = useMemo(() => patchOf(schema, row, isObject(value.value) ? value.value : {}), [value, row])
  const isDirty = Object.keys(patch).length > 0 || value.faults.length > 0
  useEffect(() => {
    if (isDirty && !made) drafts.set(draftKey, { base, node })
    else drafts.delete(draftKey)
  }, [isDirty, node, base, made])

  const refuse = (entries: readonly { pointer: string; detail: string }[], error?: Error) => {
    setFaults(new Map(entries.map(({ pointer, detail }) => [pointer, detail])))
    setProblem(error)
    setReview(undefined)
    const [first] = entries
    if (first) requestAnimationFrame(() => focusAt(first.pointer))
  }
  const onRefused = async (refusal: ApiProblem) => {
    if (refusal.status !== 412 || !base) return refuse(refusal.faults, refusal)
    setReview(undefined)
    setTheirs(await readEntity(kind.path, String(base.row.id)))
  }
  const save = () => {
    setFaults(new Map())
    setProblem(undefined)
    if (value.faults.length > 0) return refuse(value.faults)
    const body = isNew ? (value.value as Json) : patch
    const target = isNew
      ? { action: 'create' as const, kind: kind.path, body }
      : { action: 'update' as const, kind: kind.path, key: String(base.row.id), body, if_match: base.etag }
    setReview({
      title: isNew ? `Create this ${kind.noun}?` : 'Save these changes?',
      draft: { operations: [target] },
      isDeletion: false,
    })
  }
  const remove = () => {
    if (!base) return
    const target = {
      action: 'delete' as const,
      kind: kind.path,
      key: String(base.row.id),
      if_match: base.etag,
    }
    setReview({ title: `Delete this ${kind.noun}?`, draft: { operations: [target] }, isDeletion: true })
  }
  const discard = () => {
    setNode(toNode(schema, row))
    setFaults(new Map())
    setProblem(undefined)
  }
  if (made) return <Made kind={kind} row={made} />
  return (
    <>
      {draft && isDirty && node === draft.node && (
        <Notice tone="plain">
          What you typed here before is still there.{' '}
          <button type="button" class="quiet" onClick={discard}>
            Discard it
          </button>
        </Notice>
      )}
      <Trouble error={problem} />
      <EntityForm
        node={node}
        onChange={setNode}
        schema={schema}
        context={{ faults, isNew, isReadOnly, fixed: new Set(isNew ? [] : kind.fixed) }}
        onSubmit={save}
        actions={
          isReadOnly ? (
            <p class="muted">You can look at this, but not change it: your role is viewer.</p>
          ) : (
            <>
              <button type="submit" class="primary" disabled={!isDirty && !isNew}>
                {isNew ? 'Create…' : 'Save…'}
              </button>
              {isDirty && (
                <button type="button" onClick={discard}>
                  Discard
                </button>
              )}
              {!isNew && (
                <button type="button" class="danger" onClick={remove}>
                  Delete…
                </button>
              )}
            </>
          )
        }
      />
      {review && (
        <Review
          title={review.title}
          draft={review.draft}
          onClose={() => setReview(undefined)}
          onRefused={refusal => void onRefused(refusal)}
          onApplied={({ change, made: row }) => {
            drafts.delete(draftKey)
            setReview(undefined)
            if (review.isDeletion) location.hash = writePlace(['changes', change.id])
            else if (isNew && row && kind.secrets?.some(name => typeof row[name] === 'string')) setMade(row)
            else if (isNew && row) location.hash = writePlace([kind.path, String(row.id)])
            else onSaved(change)
          }}
        />
      )}
      {theirs && base && (
        <Conflict
          schema={schema}
          base={row}
          theirs={ownFields(schema, theirs.row)}
          patch={patch}
          onClose={() => setTheirs(undefined)}
          onUse={which => {
            const now = ownFields(schema, theirs.row)
            setBase(theirs)
            setNode(toNode(schema, which === 'theirs' ? now : withPatch(schema, now, patch)))
            setTheirs(undefined)
          }}
        />
      )}
    </>
  )
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
