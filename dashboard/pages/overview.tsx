import { useEffect, useState } from 'preact/hooks'
import { type Figures, type Overview, readOverview, type Series } from '../api/overview.ts'
import { type LiveEvent, stream } from '../api/stream.ts'
import { formatNumber, formatSpan } from '../model/format.ts'
import { Chart, Legend } from '../parts/chart.tsx'
import { useRepeated, useResource } from '../parts/hooks.ts'
import { Badge, Empty, Notice } from '../parts/notice.tsx'
import { Page, Panel } from '../parts/page.tsx'
import { Table } from '../parts/table.tsx'
import { BreakerTable } from './breakers.tsx'

const EVERY_MS = 2_000
const MOST_LINES = 6
const MOST_EVENTS = 10

/** The gateway as it is now. */
export function OverviewPage() {
  const overview = useResource('overview', readOverview)
  const { value } = overview
  useRepeated(() => void overview.reload(), EVERY_MS)
  return (
    <Page
      title="Overview"
      of={overview}
      lead={value && `Figures of the last ${value.seconds} seconds; the charts show 15 minutes.`}
    >
      {value && <Problems overview={value} />}
      {value && <Tiles total={value.total} limits={value.limits} />}
      {value && <Charts overview={value} />}
      {value && <Services overview={value} />}
      <div class="panels">
        {value && <Breakers overview={value} />}
        {value && <Sinks overview={value} />}
      </div>
      <Events />
    </Page>
  )
}

function Problems({ overview: { problems, sources } }: { overview: Overview }) {
  const away = sources.filter(({ ok }) => !ok)
  if (problems.length + away.length === 0) return null
  return (
    <Notice tone="warning">
      <ul>
        {problems.map(problem => (
          <li key={problem}>{problem}</li>
        ))}
        {away.map(({ url, reason }) => (
          <li key={url}>
            No metrics from <code>{url}</code>: {reason ?? 'no answer yet'}
          </li>
        ))}
      </ul>
    </Notice>
  )
}

function Tiles({ total, limits }: { total: Figures; limits: Overview['limits'] }) {
  const { rate, errors, error_rate: errorRate, client_errors: clientErrors, latency_ms: latency } = total
  return (
    <dl class="tiles">
      <Tile name="Requests" value={`${formatNumber(rate)}/s`} />
      <Tile
        name="Errors (5xx)"
        value={formatNumber(errors)}
        note={`${formatNumber(errorRate * 100)} % of all`}
        isBad={errorRate >= 0.01}
      />
      <Tile name="Client errors (4xx)" value={formatNumber(clientErrors)} />
      <Tile
        name="Latency (p95)"
        value={latency ? `${formatNumber(latency.p95)} ms` : 'none yet'}
        note={latency ? `p50: ${formatNumber(latency.p50)} ms` : ''}
      />
      <Tile
        name="Refused by limits"
        value={formatNumber(limits.refused + limits.shed)}
        note={`${formatNumber(limits.allowed)} allowed`}
      />
    </dl>
  )
}

function Tile({
  name,
  value,
  note = '',
  isBad = false,
}: {
  name: string
  value: string
  note?: string
  isBad?: boolean
}) {
  return (
    <div class="tile">
      <dt>{name}</dt>
      <dd>
        <strong class={isBad ? 'fault' : undefined}>{value}</strong>
        {note !== '' && <span class="muted">{note}</span>}
      </dd>
    </div>
  )
}

function Charts({ overview: { series, services } }: { overview: Overview }) {
  const busiest = services.toSorted((a, b) => b.rate - a.rate).slice(0, MOST_LINES)
  // A line keeps its colour while others become busier.
  const names = busiest.map(({ service }) => service).toSorted()
  const lines = (pick: (one: Series) => readonly (number | null)[], by = 1) => {
    const of = (one: Series | undefined) =>
      one ? pick(one).map(value => (value === null ? null : value / by)) : []
    return names.length === 0
      ? [{ label: 'all', values: of(series.total) }]
      : names.map(name => ({ label: shown(name), values: of(series.services[name]) }))
  }
  const { at, step_seconds: step } = series
  return (
    <Panel
      title="Traffic by service"
      actions={<Legend labels={names.length === 0 ? ['all'] : names.map(shown)} />}
    >
      <div class="charts">
        <Chart title="Requests" unit="per second" at={at} lines={lines(({ requests }) => requests, step)} />
        <Chart title="Errors" unit="5xx per second" at={at} lines={lines(({ errors }) => errors, step)} />
        <Chart title="Latency" unit="ms, p95" at={at} lines={lines(({ p95 }) => p95)} />
      </div>
    </Panel>
  )
}

/** Kong counts what it answers itself, and routes without a service, under no name. */
const shown = (service: string) => (service === '' ? 'no service' : service)

function Services({ overview: { services } }: { overview: Overview }) {
  return (
    <Panel title="Services">
      {services.length === 0 ? (
        <Empty>No service has had a request in this time.</Empty>
      ) : (
        <Table
          label="Services"
          rows={services.toSorted((a, b) => b.rate - a.rate)}
          keyOf={({ service }) => service}
          columns={[
            {
              head: 'Service',
              cell: ({ service }) =>
                service === '' ? (
                  shown(service)
                ) : (
                  <a href={`#/services/${encodeURIComponent(service)}`}>{service}</a>
                ),
            },
            { head: 'Requests per second', isNumber: true, cell: ({ rate }) => formatNumber(rate) },
            {
              head: 'Errors',
              isNumber: true,
              cell: ({ errors, error_rate: rate }) =>
                errors > 0 ? (
                  <Badge tone="bad">{`${formatNumber(errors)} (${formatNumber(rate * 100)} %)`}</Badge>
                ) : (
                  '0'
                ),
            },
            { head: 'p50', isNumber: true, cell: one => latencyOf(one, 'p50') },
            { head: 'p95', isNumber: true, cell: one => latencyOf(one, 'p95') },
            { head: 'p99', isNumber: true, cell: one => latencyOf(one, 'p99') },
          ]}
        />
      )}
    </Panel>
  )
}

const latencyOf = ({ latency_ms: latency }: Figures, which: 'p50' | 'p95' | 'p99') =>
  latency ? `${formatNumber(latency[which])} ms` : '–'

function Breakers({ overview: { breakers } }: { overview: Overview }) {
  return (
    <Panel title="Breakers" actions={<a href="#/breakers">All breakers</a>}>
      {breakers === null && <p class="muted">Unknown: the manager has no Redis (SLUICE_REDIS_URL).</p>}
      {breakers?.length === 0 && <p class="muted">No breaker has had a request yet.</p>}
      {breakers && breakers.length > 0 && <BreakerTable breakers={breakers} isBrief />}
    </Panel>
  )
}

function Sinks({ overview: { sinks, spool_bytes: spool } }: { overview: Overview }) {
  return (
    <Panel title="Event sinks">
      {sinks.length === 0 && <p class="muted">No plugin server reports any.</p>}
      {sinks.length > 0 && (
        <Table
          label="Sinks"
          rows={sinks}
          keyOf={({ sink }) => sink}
          columns={[
            { head: 'Sink', cell: ({ sink }) => sink },
            { head: 'Waiting', isNumber: true, cell: one => formatNumber(one.backlog_records) },
            {
              head: 'Oldest',
              isNumber: true,
              cell: one => (one.lag_seconds > 0 ? formatSpan(one.lag_seconds * 1000) : 'none'),
            },
            {
              head: 'Confirmed',
              isNumber: true,
              cell: one => `${formatNumber(one.confirmed_rate)}/s`,
            },
          ]}
        />
      )}
      {spool !== null && spool !== undefined && <p class="muted">{formatNumber(spool / 1024)} KiB on disk</p>}
    </Panel>
  )
}

/** The latest events of all kinds, as they come. */
function Events() {
  const [events, setEvents] = useState<readonly LiveEvent[]>([])
  useEffect(() => stream.watch(event => setEvents(before => withEvent(before, event))), [])
  return (
    <Panel title="Live events">
      {events.length === 0 && <p class="muted">None since this page was opened.</p>}
      {events.length > 0 && (
        <Table<LiveEvent>
          label="Events"
          rows={events}
          keyOf={({ id }) => id}
          columns={[
            { head: 'Time', isShort: true, cell: ({ time }) => new Date(time).toLocaleTimeString('en-GB') },
            { head: 'Event', isShort: true, cell: ({ type }) => <code>{type}</code> },
            { head: 'What', cell: ({ data }) => summaryOf(data) },
          ]}
        />
      )}
    </Panel>
  )
}

/** The newest first: after a change of process some come that are older than those in sight. */
const withEvent = (events: readonly LiveEvent[], event: LiveEvent): readonly LiveEvent[] =>
  [event, ...events].toSorted((a, b) => Date.parse(b.time) - Date.parse(a.time)).slice(0, MOST_EVENTS)

/** What tells most of an event, where it has it. */
const TOLD = [
  'name',
  'service_name',
  'consumer_username',
  'client_ip',
  'path',
  'status',
  'entities',
  'reason',
]

/** Ids, also behind `consumer:` and `route=`, fingerprints, links of chains. */
const ID = /(^|[:=])[0-9a-f-]{16,}$/

const summaryOf = (data: LiveEvent['data']): string =>
  [...new Set([...TOLD, ...Object.keys(data)])]
    .filter(name => typeof data[name] !== 'number' || TOLD.includes(name))
    .map(name => data[name])
    .map(value => (Array.isArray(value) || typeof value === 'number' ? String(value) : value))
    .filter(text => typeof text === 'string' && text !== '' && !ID.test(text))
    .slice(0, 4)
    .join(' · ')
