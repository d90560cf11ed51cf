import { useState } from 'preact/hooks'
import type { KindView } from '../model/kinds.ts'
import { writePlace } from '../model/place.ts'
import { isObject, type Json } from '../model/schema.ts'
import { Notice } from '../parts/notice.tsx'

/** A credential that was just made. Its secret is told this once, and is in the page only when it is asked for. */
export function Made({ kind, row }: { kind: KindView; row: Json }) {
  const [isShown, setShown] = useState(false)
  const { consumer, id } = row
  const back = isObject(consumer) ? ['consumers', String(consumer.id)] : [kind.path, String(id)]
  return (
    <Notice tone="good">
      <p>
        <strong>The {kind.noun} was created.</strong> Copy it now: it cannot be shown again.
      </p>
      {isShown && (
        <dl class="made">
          {kind.secrets?.map(name => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                <code>{String(row[name])}</code>
              </dd>
            </div>
          ))}
        </dl>
      )}
      <button type="button" onClick={() => setShown(!isShown)}>
        {isShown ? 'Hide it' : 'Show it'}
      </button>{' '}
      <a href={writePlace(back)}>{isObject(consumer) ? 'Back to the consumer' : 'Go on'}</a>
    </Notice>
  )
}
