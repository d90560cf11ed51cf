import { useState } from 'preact/hooks'
import { purgeCache, readCache } from '../api/cache.ts'
import { may } from '../api/session.ts'
import { formatNumber } from '../model/format.ts'
import { Ask, TextField } from '../parts/ask.tsx'
import { useRepeated, useResource } from '../parts/hooks.ts'
import { Notice } from '../parts/notice.tsx'
import { Page } from '../parts/page.tsx'

const EVERY_MS = 10_000

const KINDS = {
  prefix: ['A path and all below it', '/products'],
  key: ['One path with its query', '/products?page=2'],
  tag: ['A tag of Surrogate-Key', 'product-7'],
  all: ['Everything', ''],
} as const

type Kind = keyof typeof KINDS

/** What response-cache has stored, and the order to forget it. */
export function CachePage() {
  const cache = useResource('cache', readCache)
  useRepeated(() => void cache.reload(), EVERY_MS)
  const [isAsking, setAsking] = useState(false)
  const [purged, setPurged] = useState('')
  return (
    <Page
      title="Cache"
      lead="Responses that the response-cache plugin has stored, on all nodes together."
      of={cache}
      actions={
        may('editor') && (
          <button type="button" onClick={() => setAsking(true)}>
            Purge…
          </button>
        )
      }
    >
      {purged !== '' && <Notice tone="good">{purged}</Notice>}
      {cache.value && (
        <dl class="tiles">
          <div class="tile">
            <dt>Stored responses</dt>
            <dd>
              <strong>{formatNumber(cache.value.stored)}</strong>
            </dd>
          </div>
        </dl>
      )}
      {isAsking && (
        <PurgeDialog
          onClose={() => setAsking(false)}
          onPurged={what => {
            setAsking(false)
            setPurged(`Purged on all nodes: ${what}. The next request for it asks the service.`)
            void cache.reload()
          }}
        />
      )}
    </Page>
  )
}

function PurgeDialog({ onClose, onPurged }: { onClose: () => void; onPurged: (what: string) => void }) {
  const [kind, setKind] = useState<Kind>('prefix')
  const [value, setValue] = useState('')
  const [host, setHost] = useState('')
  const [reason, setReason] = useState('')
  const [title, example] = KINDS[kind]
  const submit = async () => {
    await purgeCache({ kind, ...(kind !== 'all' && { value }), ...(host !== '' && { host }), reason })
    onPurged(kind === 'all' ? 'everything' : value)
  }
  return (
    <Ask title="Purge stored responses" action="Purge" onSubmit={submit} onClose={onClose}>
      <label>
        What
        <select value={kind} onChange={({ currentTarget }) => setKind(currentTarget.value as Kind)}>
          {(Object.keys(KINDS) as Kind[]).map(one => (
            <option key={one} value={one}>
              {KINDS[one][0]}
            </option>
          ))}
        </select>
      </label>
      {kind !== 'all' && (
        <TextField label={title} hint={`such as ${example}`} value={value} onType={setValue} />
      )}
      <TextField label="Host" hint="optional: only of this host" isOptional value={host} onType={setHost} />
      <TextField label="Reason" hint="kept in the event" value={reason} onType={setReason} />
    </Ask>
  )
}
