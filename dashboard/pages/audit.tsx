import { useEffect, useState } from 'preact/hooks'
import { type AuditRecord, type AuditPage as Found, fingerprintsOf, searchAudit } from '../api/live.ts'
import { formatTime } from '../model/format.ts'
import { writePlace } from '../model/place.ts'
import { useLive, useResource } from '../parts/hooks.ts'
import { Badge, Empty, Trouble } from '../parts/notice.tsx'
import { Awaited, Page } from '../parts/page.tsx'
import { Table } from '../parts/table.tsx'

const FIELDS = [
  'consumer',
  'address',
  'service',
  'route',
  'outcome',
  'reason',
  'since',
  'fingerprint',
] as const
const OUTCOMES = ['denied', 'granted', 'anonymous']
const SPANS: readonly (readonly [string, string])[] = [
  ['15m', '15 minutes'],
  ['1h', 'hour'],
  ['1d', 'day'],
  ['7d', '7 days'],
  ['30d', '30 days'],
]

/** Who has used which key, and who was refused. The question stands in the address, so that it can be shared. */
export function AuditPage({ query }: { query: URLSearchParams }) {
  const asked = new URLSearchParams(
    [...query].filter(([name]) => (FIELDS as readonly string[]).includes(name)),
  )
  const found = useResource(`audit ${asked}`, signal => searchAudit(asked, signal))
  const { value, reload } = found
  const [more, setMore] = useState<readonly Found[]>([])
  const [trouble, setTrouble] = useState<Error>()
  useEffect(() => setMore([]), [String(asked)])
  useLive('key-auth.', () => more.length === 0 && void reload())
  const rows = [...(value?.data ?? []), ...more.flatMap(({ data }) => data)]
  const next = more.length > 0 ? more.at(-1)?.next : value?.next
  const showMore = async (cursor: string) => {
    const page = await searchAudit(new URLSearchParams([...asked, ['cursor', cursor]]))
    setMore([...more, page])
  }
  return (
    <Page title="Audit" lead="Each request that came with a key or without one, and what became of it.">
      <Question key={String(asked)} asked={asked} />
      <Awaited of={found} />
      <Trouble error={trouble} />
      {value && rows.length === 0 && <Empty>Nothing found.</Empty>}
      {rows.length > 0 && <AuditTable rows={rows} />}
      {next && (
        <button type="button" onClick={() => void showMore(next).catch(setTrouble)}>
          Show older ones
        </button>
      )}
    </Page>
  )
}

function Question({ asked }: { asked: URLSearchParams }) {
  const [fields, setFields] = useState<Readonly<Record<string, string>>>(() => Object.fromEntries(asked))
  const [key, setKey] = useState('')
  const [error, setError] = useState<Error>()
  const field = (name: string) => ({
    value: fields[name] ?? '',
    onInput: ({ currentTarget }: { currentTarget: { value: string } }) =>
      setFields({ ...fields, [name]: currentTarget.value }),
  })
  const submit = async (event: Event) => {
    event.preventDefault()
    setError(undefined)
    const query = new URLSearchParams(Object.entries(fields).filter(([, text]) => text.trim() !== ''))
    if (key !== '') {
      query.set('fingerprint', (await fingerprintsOf(key)).join(','))
    }
    location.hash = `${writePlace(['audit'])}?${query}`
  }
  return (
    <form class="filters" role="search" onSubmit={event => void submit(event).catch(setError)}>
      <label>
        Within the last
        <select {...field('since')} value={fields.since ?? '1h'}>
          {SPANS.map(([span, text]) => (
            <option key={span} value={span}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <label>
        Outcome
        <select {...field('outcome')}>
          <option value="">any</option>
          {OUTCOMES.map(outcome => (
            <option key={outcome}>{outcome}</option>
          ))}
        </select>
      </label>
      <label>
        Consumer
        <input type="text" placeholder="name or id" {...field('consumer')} />
      </label>
      <label>
        Address
        <input type="text" placeholder="192.0.2.1" {...field('address')} />
      </label>
      <label>
        Service
        <input type="text" placeholder="name or id" {...field('service')} />
      </label>
      <label>
        Key
        <input
          type="password"
          autoComplete="off"
          placeholder={fields.fingerprint ? 'asked by its fingerprint' : 'not kept, not logged'}
          value={key}
          onInput={({ currentTarget }) => setKey(currentTarget.value)}
        />
      </label>
      <button type="submit" class="primary">
        Search
      </button>
      <Trouble error={error} />
    </form>
  )
}

const TONES = { granted: 'good', denied: 'bad', anonymous: 'plain' } as const

/** Facts that stand beside time and id, or in `data`. */
const factsOf = (record: AuditRecord) =>
  ({ ...record, ...(record.data as object | undefined) }) as Readonly<Record<string, unknown>>

function AuditTable({ rows }: { rows: readonly AuditRecord[] }) {
  const text = (name: string) => (row: AuditRecord) => {
    const value = factsOf(row)[name]
    return value === null || value === undefined ? <span class="muted">–</span> : String(value)
  }
  return (
    <Table<AuditRecord>
      label="Requests"
      rows={rows}
      keyOf={({ id }) => id}
      columns={[
        { head: 'Time', isShort: true, cell: ({ time }) => formatTime(time) },
        {
          head: 'Outcome',
          cell: row => {
            const outcome = String(factsOf(row).outcome) as keyof typeof TONES
            return <Badge tone={TONES[outcome] ?? 'plain'}>{outcome}</Badge>
          },
        },
        { head: 'Reason', cell: text('reason') },
        { head: 'Consumer', cell: text('consumer_username') },
        { head: 'Key', cell: row => <code>{String(factsOf(row).key_fingerprint ?? '–').slice(0, 12)}</code> },
        { head: 'Address', cell: text('client_ip') },
        { head: 'Request', cell: row => `${factsOf(row).method ?? ''} ${factsOf(row).path ?? ''}` },
        { head: 'Status', isNumber: true, cell: text('status') },
        { head: 'Service', cell: text('service_name') },
      ]}
    />
  )
}
