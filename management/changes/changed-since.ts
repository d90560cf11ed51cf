import type { Row } from '../../kong/reconcile/change.ts'
import { isSame } from '../../kong/reconcile/normalise.ts'
import type { Current } from '../../kong/reconcile/read.ts'
import type { Schemas } from '../../kong/reconcile/schemas.ts'
import type { Field } from '../../kong/schema/field.ts'
import { isObject } from '../../kong/schema/spec.ts'

/** The fields of an entity that are not as an earlier change has left them. */
export function changedSince(
  { kind, row, fields }: Current,
  expected: Row,
  schemas: Schemas,
): readonly string[] {
  const specs = schemas.of(kind)?.fieldsFor(row)
  return Object.keys(expected).filter(name => !isAsLeft(fields[name], expected[name], specs?.get(name)))
}

/** What Kong has made up by itself is in no image of the change. */
function isAsLeft(shown: unknown, left: unknown, field: Field | undefined): boolean {
  if (field && isMadeUp(field, left)) return true
  if (!field?.record || !isObject(shown) || !isObject(left)) return isSame(shown, left, field)
  const { fields } = field.record
  const names = new Set([...Object.keys(shown), ...Object.keys(left)])
  return [...names].every(name => isAsLeft(shown[name], left[name], fields.get(name)))
}

/** A generated key, or a secret whose default is drawn at each start of Kong. */
const isMadeUp = ({ spec }: Field, left: unknown): boolean =>
  spec.auto ? (left ?? null) === null : spec.encrypted === true && spec.default !== undefined
