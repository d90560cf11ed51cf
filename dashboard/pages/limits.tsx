import { useEffect, useState } from 'preact/hooks'
import { changeLimits, type LimitWish, readLimits, type Standing } from '../api/limits.ts'
import { may } from '../api/session.ts'
import { formatNumber, formatSpan, formatTime, secondsOf } from '../model/format.ts'
import { writePlace } from '../model/place.ts'
import { Ask, TextField } from '../parts/ask.tsx'
import { QuietButton } from '../parts/button.tsx'
import { useLive, useRepeated, useResource } from '../parts/hooks.ts'
import { EntityLink } from '../parts/link.tsx'
import { Badge, Empty, Notice } from '../parts/notice.tsx'
import { Awaited, Page, Panel } from '../parts/page.tsx'
import { Table } from '../parts/table.tsx'

const EVERY_MS = 2_000

/** A consumer by name or id, or a whole subject: `ip:192.0.2.1`. */
const queryOf = (text: string): Readonly<Record<string, string>> =>
  /^(consumer|ip|route|service|credential|header|path|global)\b[:=]/.test(text)
    ? { subject: text }
    : { consumer: text }

/** What a subject has used and has left of its limits. @param subject from the address */
export function LimitsPage({ subject }: { subject: string }) {
  const [text, setText] = useState(subject)
  useEffect(() => setText(subject), [subject])
  const standings = useResource(`limits ${subject}`, () =>
    subject === '' ? Promise.resolve(undefined) : readLimits(queryOf(subject)),
  )
  const { value, error, reload } = standings
  const again = () => subject !== '' && void reload()
  useRepeated(again, EVERY_MS)
  useLive('qos.', again)
  const [asking, setAsking] = useState<LimitWish>()
  return (
    <Page title="Limits" lead="What a consumer has used of its limits, as counted now.">
      <form
        class="filters"
        role="search"
        onSubmit={event => {
          event.preventDefault()
          location.hash = writePlace(['limits'], { subject: text.trim() })
        }}
      >
        <label>
          Consumer, or a subject such as ip:192.0.2.1
          <input
            type="search"
            required
            placeholder="username or id"
            value={text}
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
        </label>
        <button type="submit">Show</button>
      </form>
      <Awaited of={standings} />
      {subject === '' && <Empty>Enter a consumer to see its limits.</Empty>}
      {!error && value?.length === 0 && <Empty>Nothing has been counted for {subject} yet.</Empty>}
      {!error &&
        value?.map(standing => <StandingPanel key={standing.key} standing={standing} onAsk={setAsking} />)}
      {asking && (
        <LimitDialog
          subject={subject}
          wish={asking}
          onClose={() => setAsking(undefined)}
          // What was asked for is in sight when the dialog closes.
          onDone={() => reload().then(() => setAsking(undefined))}
        />
      )}
    </Page>
  )
}

function StandingPanel({ standing, onAsk }: { standing: Standing; onAsk: (wish: LimitWish) => void }) {
  const { subject, scope, key, limits, changes } = standing
  const isEditor = may('editor')
  return (
    <Panel
      title={
        <>
          <Named text={subject ?? key} /> <span class="muted">at</span>{' '}
          <Named text={scope ?? 'an unknown place'} />
        </>
      }
      actions={
        isEditor &&
        limits.length > 0 && (
          <button type="button" onClick={() => onAsk({ verb: 'reset' })}>
            Reset all
          </button>
        )
      }
    >
      {limits.length === 0 && <p class="muted">No limit has been used.</p>}
      {limits.length > 0 && <LimitTable limits={limits} onAsk={isEditor ? onAsk : undefined} />}
      {changes.map(({ limit, requests, until }) => (
        <Notice tone="warning" key={limit}>
          {limit} admits {formatNumber(requests)} until {formatTime(until)}.
          {isEditor && (
            <button type="button" onClick={() => onAsk({ verb: 'unset', limit })}>
              End this change
            </button>
          )}
        </Notice>
      ))}
    </Panel>
  )
}

interface LimitTableProps {
  readonly limits: Standing['limits']
  /** Undefined: they can only be looked at. */
  readonly onAsk: ((wish: LimitWish) => void) | undefined
}

const LimitTable = ({ limits, onAsk }: LimitTableProps) => (
  <Table
    label="Limits"
    rows={limits}
    keyOf={({ name }) => name}
    columns={[
      { head: 'Limit', cell: ({ name }) => name },
      {
        head: 'Admits',
        cell: ({ requests, per_seconds: seconds }) =>
          `${formatNumber(requests)} in ${formatSpan(seconds * 1000)}`,
      },
      {
        head: 'Used',
        cell: ({ used, left }) => (
          <>
            <meter min={0} max={used + left} value={used} aria-label={`${used} used, ${left} left`} />{' '}
            {formatNumber(used)}
          </>
        ),
      },
      {
        head: 'Left',
        cell: ({ left }) => (left > 0 ? formatNumber(left) : <Badge tone="bad">none left</Badge>),
      },
      {
        head: 'Full again in',
        cell: ({ reset_seconds: seconds }) => (seconds > 0 ? formatSpan(Math.ceil(seconds) * 1000) : 'now'),
      },
      ...(onAsk
        ? [
            {
              head: 'Actions',
              cell: ({ name, requests }: { name: string; requests: number }) => (
                <>
                  <QuietButton label={`Reset ${name}`} onClick={() => onAsk({ verb: 'reset', limit: name })}>
                    Reset
                  </QuietButton>
                  <QuietButton
                    label={`Change ${name}`}
                    onClick={() => onAsk({ verb: 'set', limit: name, requests, seconds: 3600 })}
                  >
                    Change
                  </QuietButton>
                </>
              ),
            },
          ]
        : []),
    ]}
  />
)

const REFERENCES: Readonly<Record<string, string>> = {
  consumer: 'consumers',
  service: 'services',
  route: 'routes',
}

/** `consumer:<id>` and `service=<id>` by their names. */
function Named({ text }: { readonly text: string }) {
  const [, kind = '', id = ''] = /^(\w+)[:=]([0-9a-f-]{36})$/.exec(text) ?? []
  const path = REFERENCES[kind]
  if (!path) return <>{text}</>
  return (
    <>
      {kind} <EntityLink kind={path} id={id} />
    </>
  )
}

const TITLES = { reset: 'Reset', set: 'Change', unset: 'End the change of' }

interface LimitDialogProps {
  readonly subject: string
  readonly wish: LimitWish
  readonly onClose: () => void
  readonly onDone: () => Promise<void>
}

function LimitDialog({ subject, wish, onClose, onDone }: LimitDialogProps) {
  const [reason, setReason] = useState('')
  const [requests, setRequests] = useState(wish.verb === 'set' ? String(wish.requests) : '')
  const [span, setSpan] = useState('1h')
  const submit = async () => {
    const asked =
      wish.verb === 'set' ? { ...wish, requests: Number(requests), seconds: secondsOf(span) } : wish
    await changeLimits(queryOf(subject), asked, reason)
    await onDone()
  }
  const what = wish.limit === undefined ? 'all limits' : wish.limit
  return (
    <Ask
      title={`${TITLES[wish.verb]} ${what} for ${subject}`}
      action={TITLES[wish.verb].split(' ')[0] ?? ''}
      onSubmit={submit}
      onClose={onClose}
    >
      {wish.verb === 'reset' && <p>Usage is set to zero on every node.</p>}
      {wish.verb === 'set' && (
        <>
          <TextField label="Requests" digits="[0-9]+" value={requests} onType={setRequests} />
          <TextField label="For how long" hint="90s, 15m, 2h, 7d" value={span} onType={setSpan} />
        </>
      )}
      <TextField label="Reason" hint="kept in the event" value={reason} onType={setReason} />
    </Ask>
  )
}
