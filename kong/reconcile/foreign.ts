import { SluiceError } from '../../foundation/errors.ts'
import { KINDS } from './kinds.ts'
import { nameOf } from './label.ts'
import { type Current, type CurrentState, isOurs } from './read.ts'

/**
 * A Kong without a database takes its whole state at once, through `POST /config`, which replaces everything. So it
 * is touched only if all that it holds is ours.
 *
 * @throws SluiceError SLUICE_APPLY_REFUSED that names what is not.
 */
export function refuseForeign(current: CurrentState, selectTags: readonly string[]): void {
  const foreign = current.entities.filter(entity => !isOurs(entity, selectTags))
  if (foreign.length === 0) return
  const shown = foreign.slice(0, 10).map(entity => `  ${describe(entity)}`)
  const rest = foreign.length > shown.length ? [`  and ${foreign.length - shown.length} more`] : []
  throw new SluiceError(
    'SLUICE_APPLY_REFUSED',
    [
      `this Kong has no database, so that an apply replaces all it holds; without the tag ${selectTags.join(', ')} it holds`,
      ...shown,
      ...rest,
    ].join('\n'),
  )
}

function describe({ kind, id, fields }: Current): string {
  return `${KINDS[kind].noun} ${nameOf(KINDS[kind], fields) ?? id}`
}
