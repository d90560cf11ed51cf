import { useLayoutEffect, useState } from 'preact/hooks'
import { type AuditRecord, fingerprintsOf, searchAudit } from '../api/audit.ts'
import { factsOf } from '../model/audit.ts'
import { formatTime } from '../model/format.ts'
import { writePlace } from '../model/place.ts'
import { useSubmit } from '../parts/ask.tsx'
import { QuietButton } from '../parts/button.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { Fact } from '../parts/fact.tsx'
import { useLive, useResource } from '../parts/hooks.ts'
import { Badge, Empty, None, type Tone, Trouble } from '../parts/notice.tsx'
import { useOlder } from '../parts/older.tsx'
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
type Options = readonly (readonly [value: string, text: string])[]

const OUTCOMES: Options = [
  ['', 'any'],
  ...['denied', 'granted', 'anonymous'].map(outcome => [outcome, outcome] as const),
]
const SPANS: Options = [
  ['15m', '15 minutes'],
  ['1h', 'hour'],
  ['1d', 'day'],
  ['7d', '7 days'],
  ['30d', '30 days'],
]

const TEXTS: readonly (readonly [name: string, title: string, placeholder: string])[] = [
  ['consumer', 'Consumer', 'name or id'],
  ['address', 'Address', '192.0.2.1'],
  ['service', 'Service', 'name or id'],
]

/** Who has used which key, and who was refused. The question stands in the address, so that it can be shared. */
export function AuditPage({ query }: { query: URLSearchParams }) {
  const asked = new URLSearchParams(
    [...query].filter(([name]) => (FIELDS as readonly string[]).includes(name)),
  )
  const key = `audit ${asked}`
  const found = useResource(key, signal => searchAudit(asked, signal))
  const { rows, isEmpty, isFirst, more } = useOlder(key, found, cursor =>
    searchAudit(new URLSearchParams([...asked, ['cursor', cursor]])),
  )
  useLive('key-auth.', () => isFirst && void found.reload())
  return (
    <Page
      title="Audit"
      lead="Every request to a protected service: who was let in, who was refused, and why."
    >
      <Question asked={asked} />
      <Awaited of={found} />
      {isEmpty && <Empty>Nothing found.</Empty>}
      {rows.length > 0 && <AuditTable rows={rows} />}
      {more}
    </Page>
  )
}

function Question({ asked }: { asked: URLSearchParams }) {
  const [fields, setFields] = useState<Readonly<Record<string, string>>>({})
  const [key, setKey] = useState('')
  useLayoutEffect(() => {
    setFields(Object.fromEntries(asked))
    setKey('')
  }, [String(asked)])
  const field = (name: string) => ({
    value: fields[name] ?? '',
    onInput: ({ currentTarget }: { currentTarget: { value: string } }) =>
      setFields({ ...fields, [name]: currentTarget.value }),
  })
  const { error, submit } = useSubmit(async () => {
    const query = new URLSearchParams(Object.entries(fields).filter(([, text]) => text.trim() !== ''))
    if (key !== '') query.set('fingerprint', (await fingerprintsOf(key)).join(','))
    location.hash = `${writePlace(['audit'])}?${query}`
  })
  return (
    <form class="filters" role="search" onSubmit={submit}>
      <Choice label="Within the last" options={SPANS} {...field('since')} value={fields.since ?? '1h'} />
      <Choice label="Outcome" options={OUTCOMES} {...field('outcome')} />
      {TEXTS.map(([name, title, placeholder]) => (
        <label key={name}>
          {title}
          <input type="text" placeholder={placeholder} {...field(name)} />
        </label>
      ))}
      <label>
        Key
        <input
          type="password"
          autoComplete="off"
          placeholder={fields.fingerprint ? 'searched by fingerprint' : 'never stored or logged'}
          value={key}
          onInput={({ currentTarget }) => setKey(currentTarget.value)}
        />
      </label>
      <button type="submit" class="primary">
        Search
      </button>
      {String(asked) !== '' && <a href={writePlace(['audit'])}>Clear</a>}
      <Trouble error={error} />
    </form>
  )
}

interface ChoiceProps {
  readonly label: string
  readonly options: Options
  readonly value: string
  readonly onInput: (event: { currentTarget: { value: string } }) => void
}

const Choice = ({ label, options, ...rest }: ChoiceProps) => (
  <label>
    {label}
    <select {...rest}>
      {options.map(([value, text]) => (
        <option key={value} value={value}>
          {text}
        </option>
      ))}
    </select>
  </label>
)

const TONES: ReadonlyMap<string, Tone> = new Map([
  ['granted', 'good'],
  ['denied', 'bad'],
])

const fact = (name: string) => (row: AuditRecord) => String(row[name] ?? '') || <None />

function AuditTable({ rows }: { rows: readonly AuditRecord[] }) {
  const [open, setOpen] = useState<AuditRecord>()
  return (
    <>
      <Table<AuditRecord>
        label="Requests"
        rows={rows}
        keyOf={({ id }) => id}
        columns={[
          {
            head: 'Time',
            isShort: true,
            cell: row => (
              <QuietButton label={`Open the request of ${formatTime(row.time)}`} onClick={() => setOpen(row)}>
                {formatTime(row.time)}
              </QuietButton>
            ),
          },
          { head: 'Outcome', cell: row => <Outcome row={row} /> },
          { head: 'Reason', cell: fact('reason') },
          { head: 'Consumer', cell: fact('consumer_username') },
          { head: 'Key', cell: row => <code>{String(row.key_fingerprint ?? '–').slice(0, 12)}</code> },
          { head: 'Address', cell: fact('client_ip') },
          { head: 'Request', cell: row => `${row.method ?? ''} ${row.path ?? ''}` },
          { head: 'Status', isNumber: true, cell: fact('status') },
          { head: 'Service', cell: fact('service_name') },
        ]}
      />
      {open && (
        <Dialog title={`Request of ${formatTime(open.time)}`} onClose={() => setOpen(undefined)} isWide>
          <dl class="facts">
            {factsOf(open).map(([name, text]) => (
              <Fact key={name} name={name}>
                {text}
              </Fact>
            ))}
          </dl>
        </Dialog>
      )}
    </>
  )
}

function Outcome({ row: { outcome } }: { row: AuditRecord }) {
  const word = String(outcome)
  return <Badge tone={TONES.get(word) ?? 'plain'}>{word}</Badge>
}
