import { useState } from 'preact/hooks'
import type { KindView } from '../model/kinds.ts'
import type { Json } from '../model/schema.ts'
import { Dialog } from '../parts/dialog.tsx'
import { Review } from '../parts/review.tsx'
import { Made } from './made.tsx'
import { creationOf } from './saving.ts'

const NOT_COPIED: ReadonlySet<string> = new Set(['id', 'created_at', 'updated_at', 'ttl'])

/** A credential for the same consumer, whose secrets Kong makes up. */
function successorOf({ secrets = [] }: KindView, row: Json): Json {
  const kept = Object.entries(row).filter(
    ([name, value]) => value !== null && !NOT_COPIED.has(name) && !secrets.includes(name),
  )
  return Object.fromEntries(kept)
}

/** Replaces a credential without an outage: both are good until the old one is deleted. */
export function Rotate({ kind, row }: { kind: KindView; row: Json }) {
  const [isAsking, setAsking] = useState(false)
  const [made, setMade] = useState<Json>()
  const { noun } = kind
  return (
    <>
      <button type="button" onClick={() => setAsking(true)}>
        Rotate…
      </button>
      {isAsking && (
        <Review
          title={`Rotate this ${noun}?`}
          note={`A second ${noun} is created for the same consumer. Both are valid until you delete this one.`}
          draft={creationOf(kind.path, successorOf(kind, row))}
          onClose={() => setAsking(false)}
          onApplied={({ made: successor }) => {
            setAsking(false)
            setMade(successor)
          }}
        />
      )}
      {made && (
        <Dialog title={`The new ${noun}`} onClose={() => setMade(undefined)}>
          <Made kind={kind} row={made} />
          <p>
            Both are valid now. Give clients the new one, and delete the old one when the audit shows no more
            use.
          </p>
        </Dialog>
      )}
    </>
  )
}
