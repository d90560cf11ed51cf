import { listEntities } from '../api/entities.ts'
import { may } from '../api/session.ts'
import { formatNumber } from '../model/format.ts'
import { type KindView, kindAt } from '../model/kinds.ts'
import { writePlace } from '../model/place.ts'
import { EntityTable } from '../parts/entity-table.tsx'
import { useResource } from '../parts/hooks.ts'
import { Trouble } from '../parts/notice.tsx'
import { Panel } from '../parts/page.tsx'

/** What refers to an entity: routes and plugins of a service, credentials of a consumer. */
export function Children({ kind, id }: { kind: KindView; id: string }) {
  return (
    <>
      {kind.children.map(([path, field]) => {
        const child = kindAt(path)
        return child && <ChildList key={path} kind={child} field={field} id={id} />
      })}
    </>
  )
}

function ChildList({ kind, field, id }: { kind: KindView; field: string; id: string }) {
  const { value, error, reload } = useResource(`${kind.path} ${field} ${id}`, signal =>
    listEntities(kind.path, { [field]: id, size: '100', count: '1' }, signal),
  )
  const { data = [], total = data.length } = value ?? {}
  return (
    <Panel
      title={`${kind.title}${value ? ` (${formatNumber(total)})` : ''}`}
      actions={
        may('editor') && (
          <a class="button" href={writePlace([kind.path, 'new'], { [field]: id })}>
            New {kind.noun}
          </a>
        )
      }
    >
      <Trouble error={error} onRetry={reload} />
      {data.length > 0 && (
        <EntityTable kind={kind} rows={data} without={`${field[0]?.toUpperCase()}${field.slice(1)}`} />
      )}
    </Panel>
  )
}
