import type { ComponentChildren } from 'preact'
import { type KindView, kindAt, labelOf } from '../model/kinds.ts'
import { isObject, type Json } from '../model/schema.ts'
import { EntityLink, Link } from './link.tsx'
import { Badge, None } from './notice.tsx'
import { type Column, Table } from './table.tsx'

export interface EntityTableProps {
  readonly kind: KindView
  readonly rows: readonly Json[]
  readonly extra?: readonly [head: string, cell: (row: Json) => ComponentChildren]
  /** A column that says the same in every row. */
  readonly without?: string
}

export function EntityTable({ kind, rows, extra, without }: EntityTableProps) {
  const columns: Column<Json>[] = [
    { head: 'Name', cell: row => <Link to={[kind.path, String(row.id)]}>{labelOf(kind, row)}</Link> },
    ...kind.columns
      .filter(([head]) => head !== without)
      .map(([head, value]) => ({ head, cell: (row: Json) => <Cell value={value(row)} head={head} /> })),
    ...(extra ? [{ head: extra[0], isShort: true, cell: extra[1] }] : []),
  ]
  return <Table label={kind.title} columns={columns} rows={rows} keyOf={row => String(row.id)} />
}

/** The collection that a column refers to, by its head. */
const REFERENCES: Readonly<Record<string, string>> = {
  Service: 'services',
  Route: 'routes',
  Consumer: 'consumers',
  Certificate: 'certificates',
}

function Cell({ value, head }: { value: unknown; head: string }) {
  if (value === null || value === undefined) return <None />
  if (typeof value === 'boolean') return value ? <>Yes</> : <Badge tone="warning">No</Badge>
  const reference = REFERENCES[head]
  if (isObject(value) && reference && kindAt(reference))
    return <EntityLink kind={reference} id={String(value.id)} />
  if (Array.isArray(value) && head === 'Tags')
    return (
      <>
        {value.map(tag => (
          <span class="tag" key={String(tag)}>
            {String(tag)}
          </span>
        ))}
      </>
    )
  return <>{Array.isArray(value) ? value.join(', ') : String(value)}</>
}
