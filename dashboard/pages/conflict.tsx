import { differences, withPatch } from '../model/difference.ts'
import type { FieldSchema, Json } from '../model/schema.ts'
import { Dialog } from '../parts/dialog.tsx'
import { DifferenceTable } from '../parts/difference.tsx'

export interface ConflictProps {
  readonly schema: FieldSchema
  /** What the form began with. */
  readonly base: Json
  /** What stands there now. */
  readonly theirs: Json
  /** What was to be changed. */
  readonly patch: Json
  readonly onUse: (which: 'theirs' | 'both') => void
  readonly onClose: () => void
}

/** Somebody else has changed the same entity since the form was opened: both versions, and what to do. */
export function Conflict({ schema, base, theirs, patch, onUse, onClose }: ConflictProps) {
  const [changed, own] = [differences(base, theirs), differences(base, withPatch(schema, base, patch))]
  const both = changed.filter(({ path }) => own.some(one => one.path === path)).map(({ path }) => path)
  return (
    <Dialog title="Somebody else has changed this" onClose={onClose} isWide>
      <p>
        This is no longer the version that you started from. Your changes are not saved yet, and nothing is
        lost.
      </p>
      <h3>Their changes</h3>
      <DifferenceTable leaves={changed} action="update" heads={['You started from', 'They saved']} />
      <h3>Your changes</h3>
      <DifferenceTable leaves={own} action="update" heads={['You started from', 'Yours']} />
      {both.length > 0 && (
        <p class="fault">Both of you changed {both.join(', ')}: your value would replace theirs.</p>
      )}
      <div class="actions">
        <button type="button" onClick={() => onUse('theirs')}>
          Take theirs, discard mine
        </button>
        <button type="button" class="primary" onClick={() => onUse('both')}>
          Put mine on top of theirs
        </button>
      </div>
    </Dialog>
  )
}
