import { listEntities, type Page } from '../api/entities.ts'
import { may } from '../api/session.ts'
import { formatNumber } from '../model/format.ts'
import { type KindView, kindAt } from '../model/kinds.ts'
import { writePlace } from '../model/place.ts'
import { EntityTable } from '../parts/entity-table.tsx'
import { useResource } from '../parts/hooks.ts'
import { Awaited, Panel } from '../parts/page.tsx'

interface Child {
  readonly kind: KindView
  readonly field: string
  readonly page: Page
}

/** What refers to an entity: routes and plugins of a service, credentials of a consumer. */
export function Children({ kind, id }: { kind: KindView; id: string }) {
  const children = useResource(`children of ${kind.path} ${id}`, signal => readChildren(kind, id, signal))
  const { value } = children
  const missing = value?.filter(({ page }) => page.data.length === 0) ?? []
  return (
    <>
      <Awaited of={children} />
      {value
        ?.filter(({ page }) => page.data.length > 0)
        .map(child => (
          <ChildList key={child.kind.path} {...child} id={id} />
        ))}
      {missing.length > 0 && <Missing missing={missing} id={id} of={kind.noun} />}
    </>
  )
}

const readChildren = (kind: KindView, id: string, signal: AbortSignal): Promise<readonly Child[]> =>
  Promise.all(
    kind.children.flatMap(([path, field]) => {
      const child = kindAt(path)
      if (!child) return []
      const asked = listEntities(path, { [field]: id, size: '100', count: '1' }, signal)
      return [asked.then(page => ({ kind: child, field, page }))]
    }),
  )

function ChildList({ kind, field, page, id }: Child & { readonly id: string }) {
  const { data, total = data.length } = page
  return (
    <Panel
      title={`${kind.title} (${formatNumber(total)})`}
      actions={may('editor') && <New kind={kind} field={field} id={id} />}
    >
      <EntityTable kind={kind} rows={data} without={`${field[0]?.toUpperCase()}${field.slice(1)}`} />
    </Panel>
  )
}

const New = ({ kind, field, id }: Pick<Child, 'kind' | 'field'> & { readonly id: string }) => (
  <a class="button" href={writePlace([kind.path, 'new'], { [field]: id })}>
    New {kind.noun}
  </a>
)

/** What it does not have yet. */
function Missing({ missing, id, of }: { missing: readonly Child[]; id: string; of: string }) {
  const titles = missing.map(({ kind }) =>
    /^[A-Z]{2}/.test(kind.title) ? kind.title : kind.title.toLowerCase(),
  )
  return (
    <Panel title="Not set up yet" actions={undefined}>
      <p class="muted">
        This {of} has no {titles.join(', no ')}.
      </p>
      {may('editor') && (
        <div class="actions">
          {missing.map(child => (
            <New key={child.kind.path} {...child} id={id} />
          ))}
        </div>
      )}
    </Panel>
  )
}
