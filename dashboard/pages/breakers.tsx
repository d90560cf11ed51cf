import { useState } from 'preact/hooks'
import { type Breaker, listBreakers, orderBreaker } from '../api/breakers.ts'
import { may } from '../api/session.ts'
import { formatNumber, formatSpan, secondsOf } from '../model/format.ts'
import { Ask, TextField } from '../parts/ask.tsx'
import { QuietButton } from '../parts/button.tsx'
import { useLive, useRepeated, useResource } from '../parts/hooks.ts'
import { Badge, Empty, type Tone } from '../parts/notice.tsx'
import { Page } from '../parts/page.tsx'
import { type Column, Table } from '../parts/table.tsx'

const EVERY_MS = 2_000

const VERBS = {
  open: ['Force open', 'Refuse every request.'],
  close: ['Force closed', 'Let every request pass, whatever fails.'],
  observe: ['Only observe', 'Count and decide, but refuse nothing.'],
  auto: ['Let it decide', 'Back to automatic, from now on.'],
} as const

type Verb = keyof typeof VERBS

export function BreakersPage() {
  const breakers = useResource('breakers', listBreakers)
  const { value } = breakers
  const reload = () => void breakers.reload()
  useRepeated(reload, EVERY_MS)
  useLive('circuit.', reload)
  const [ordering, setOrdering] = useState<Breaker>()
  return (
    <Page
      title="Breakers"
      of={breakers}
      lead="Every service or route that the circuit-breaker plugin protects. A forced mode ends by itself."
    >
      {value?.length === 0 && <Empty>No breaker has had a request yet.</Empty>}
      {value && value.length > 0 && (
        <BreakerTable breakers={value} onOrder={may('editor') ? setOrdering : undefined} />
      )}
      {ordering && (
        <Order
          breaker={ordering}
          onClose={() => setOrdering(undefined)}
          onDone={() => breakers.reload().then(() => setOrdering(undefined))}
        />
      )}
    </Page>
  )
}

const TONES: Readonly<Record<string, Tone>> = {
  closed: 'good',
  open: 'bad',
  'half-open': 'warning',
  recovering: 'warning',
}

interface BreakerTableProps {
  readonly breakers: readonly Breaker[]
  /** Without figures. */
  readonly isBrief?: boolean
  readonly onOrder?: ((breaker: Breaker) => void) | undefined
}

export function BreakerTable({ breakers, isBrief = false, onOrder }: BreakerTableProps) {
  return (
    <Table<Breaker>
      label="Breakers"
      rows={breakers}
      keyOf={({ breaker }) => breaker}
      columns={[
        {
          head: 'Name',
          cell: ({ name, breaker }) => (
            <>
              {name ?? breaker} <span class="muted">{breaker.split(':')[0]}</span>
            </>
          ),
        },
        { head: 'State', cell: one => <BreakerState breaker={one} /> },
        { head: 'Mode', cell: one => <Mode breaker={one} /> },
        ...(isBrief ? [] : FIGURES),
        ...(onOrder
          ? [
              {
                head: 'Actions',
                cell: (one: Breaker) => (
                  <QuietButton
                    label={`Change mode of ${one.name ?? one.breaker}`}
                    onClick={() => onOrder(one)}
                  >
                    Change mode
                  </QuietButton>
                ),
              },
            ]
          : []),
      ]}
    />
  )
}

const FIGURES: readonly Column<Breaker>[] = [
  { head: 'Calls', isNumber: true, cell: ({ window }) => formatNumber(window.calls) },
  { head: 'Failed', isNumber: true, cell: ({ window }) => formatNumber(window.failures) },
  { head: 'Slow', isNumber: true, cell: ({ window }) => formatNumber(window.slow) },
]

/** What it does, which an order decides before its own state. */
function BreakerState({
  breaker: { state, since_ms: sinceMs, remaining_ms: remainingMs, cause },
}: {
  breaker: Breaker
}) {
  return (
    <>
      <Badge tone={TONES[state] ?? 'plain'}>{state}</Badge>
      {sinceMs !== null && <span class="muted"> for {formatSpan(Math.max(1000, sinceMs))}</span>}
      {state === 'open' && remainingMs > 0 && (
        <span class="muted">, probed in {formatSpan(Math.max(1000, remainingMs))}</span>
      )}
      {cause !== null && state !== 'closed' && <span class="muted"> ({cause})</span>}
    </>
  )
}

function Mode({ breaker: { mode, mode_remaining_ms: remainingMs, actor, reason } }: { breaker: Breaker }) {
  if (mode === 'auto') return <span class="short">decides by itself</span>
  return (
    <>
      <Badge tone={mode === 'forced-open' ? 'bad' : 'warning'}>{mode.replace('-', ' ')}</Badge>
      <span class="muted">
        {remainingMs > 0 && ` ${formatSpan(Math.max(1000, remainingMs))} more`}
        {actor !== null && `; ${actor}: ${reason}`}
      </span>
    </>
  )
}

interface OrderProps {
  readonly breaker: Breaker
  readonly onClose: () => void
  readonly onDone: () => Promise<void>
}

function Order({ breaker, onClose, onDone }: OrderProps) {
  const [verb, setVerb] = useState<Verb>(breaker.mode === 'auto' ? 'open' : 'auto')
  const [reason, setReason] = useState('')
  const [span, setSpan] = useState('15m')
  const submit = async () => {
    const seconds = verb === 'auto' ? 0 : secondsOf(span)
    await orderBreaker(breaker.breaker, verb, { reason, seconds })
    await onDone()
  }
  return (
    <Ask
      title={`Mode of ${breaker.name ?? breaker.breaker}`}
      action={VERBS[verb][0]}
      onSubmit={submit}
      onClose={onClose}
    >
      <fieldset class="radios">
        <legend class="muted">Mode</legend>
        {(Object.keys(VERBS) as Verb[]).map(one => (
          <label class="accept" key={one}>
            <input type="radio" name="mode" checked={verb === one} onChange={() => setVerb(one)} />
            <span>
              <strong>{VERBS[one][0]}</strong> <span class="muted">{VERBS[one][1]}</span>
            </span>
          </label>
        ))}
      </fieldset>
      {verb !== 'auto' && (
        <TextField label="For how long" hint="90s, 15m, 2h, 7d" value={span} onType={setSpan} />
      )}
      <TextField label="Reason" hint="kept in the event" value={reason} onType={setReason} />
    </Ask>
  )
}
