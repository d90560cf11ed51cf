import { useState } from 'preact/hooks'
import type { Change } from '../api/changes.ts'
import { ApiProblem } from '../api/client.ts'
import { pluginSchema, readEntity, schemaOf } from '../api/entities.ts'
import { may } from '../api/session.ts'
import { formatTime } from '../model/format.ts'
import { type KindView, labelOf } from '../model/kinds.ts'
import { writePlace } from '../model/place.ts'
import { entityFields, type Json } from '../model/schema.ts'
import { useResource } from '../parts/hooks.ts'
import { Page } from '../parts/page.tsx'
import { Applied } from '../parts/undo.tsx'
import { Children } from './children.tsx'
import { Editing, type Loaded } from './editing.tsx'
import { PluginChoice } from './plugin-choice.tsx'
import { Rotate } from './rotate.tsx'

export interface EntityPageProps {
  readonly kind: KindView
  /** `new`: it is to be made. */
  readonly id: string
  readonly query: URLSearchParams
}

export function EntityPage({ kind, id, query }: EntityPageProps) {
  const isNew = id === 'new'
  const plugin = query.get('name') ?? ''
  const [applied, setApplied] = useState<Change>()
  const loaded = useResource(`${kind.path}/${id}?${query}`, () =>
    isNew && kind.path === 'plugins' && plugin === '' ? Promise.resolve(undefined) : load(kind, id, query),
  )
  const { value, error, reload } = loaded
  if (isNew && kind.path === 'plugins' && plugin === '') return <PluginChoice query={query} />
  if (error instanceof ApiProblem && error.status === 404) return <Gone kind={kind} />
  const title = isNew
    ? `New ${kind.noun}${plugin === '' ? '' : `: ${plugin}`}`
    : value?.base
      ? labelOf(kind, value.base.row)
      : kind.title
  return (
    <Page
      title={title}
      lead={<Lead kind={kind} row={value?.base?.row} />}
      of={loaded}
      actions={value?.base && <Rotation kind={kind} row={value.base.row} />}
    >
      {applied && (
        <Applied
          change={applied}
          text="Saved."
          onUndone={async () => {
            await reload()
            setApplied(undefined)
          }}
        />
      )}
      {value && (
        <Editing
          // Another version is another form.
          key={value.base?.etag}
          kind={kind}
          loaded={value}
          draftKey={`${kind.path}/${id}?${query}`}
          onSaved={async change => {
            await reload()
            setApplied(change)
          }}
        />
      )}
      {value?.base && <Children kind={kind} id={String(value.base.row.id)} />}
    </Page>
  )
}

function Gone({ kind: { noun, path, title } }: { kind: KindView }) {
  return (
    <Page title="Not found">
      <p>
        There is no {noun} at this address; it may have been deleted. <a href={writePlace([path])}>{title}</a>
      </p>
    </Page>
  )
}

/** Only where Kong makes up all that a client has to know, and it can be told. */
function Rotation({ kind, row }: { kind: KindView; row: Json }) {
  const canRotate = kind.rotates === true && !row.rsa_public_key && row.hash_secret !== true
  return canRotate && may('editor') ? <Rotate kind={kind} row={row} /> : null
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
          {typeof row.updated_at === 'number' &&
            row.updated_at !== row.created_at &&
            ` · changed ${formatTime(row.updated_at)}`}
          {' · '}
          <a href={writePlace(['changes'], { kind: kind.path, entity: String(row.id) })}>History</a>
        </span>
      )}
    </>
  )
}
