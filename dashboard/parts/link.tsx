import type { ComponentChildren } from 'preact'
import { readBriefly } from '../api/entities.ts'
import { kindAt, labelOf } from '../model/kinds.ts'
import { writePlace } from '../model/place.ts'
import { useResource } from './hooks.ts'

export function Link({ to, children }: { to: readonly string[]; children: ComponentChildren }) {
  return <a href={writePlace(to)}>{children}</a>
}

/** An entity that is known by its id only: its name, when that has come. */
export function EntityLink({ kind: path, id }: { kind: string; id: string }) {
  const { value } = useResource(`${path}/${id}`, () => readBriefly(path, id))
  const kind = kindAt(path)
  return <Link to={[path, id]}>{kind && value ? labelOf(kind, value) : id.slice(0, 8)}</Link>
}
