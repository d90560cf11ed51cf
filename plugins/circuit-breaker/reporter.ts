import type { BoundCounter, BoundGauge, Host } from '../../plugin-server/sdk.ts'
import type { BreakerState, Phase, Totals, Transition } from './breaker.ts'
import { type Cell, type Change, deciding } from './cell.ts'
import type { Outcome } from './classify.ts'
import type { ModeSetting } from './mode.ts'
import type { Snapshot } from './script.ts'

/** A breaker as far as its metrics and events need it. */
export interface Reported {
  readonly cell: Cell
  readonly name: string
}

type Counted = Outcome | 'slow' | 'rejected' | 'fallback' | 'shadow'

/** Counts calls, shows states, and publishes what changes. */
export interface Reporter {
  countCall(entry: Reported, outcome: Outcome, slow: boolean): void
  count(entry: Reported, what: 'rejected' | 'fallback' | 'shadow'): void
  announceShared(entry: Reported, snapshot: Snapshot): void
  announceOwn(entry: Reported, change: Change): void
  /** Every node that hears of an order publishes it; the event's identity makes them one. */
  announceMode(entry: Reported, mode: ModeSetting): void
  /** Brings the metrics up to date. Calls are counted apart and added here, off the request path. */
  flush(): void
}

interface Row {
  readonly entry: Reported
  readonly counts: Map<Counted, number>
  readonly counters: Map<Counted, BoundCounter>
  readonly state: BoundGauge
}

const STATE_NUMBER: Readonly<Record<Phase, number>> = { closed: 0, recovering: 1, 'half-open': 2, open: 3 }

const TYPES: Readonly<Record<Transition, string>> = {
  opened: 'circuit.opened.v1',
  'half-opened': 'circuit.half-opened.v1',
  recovering: 'circuit.recovering.v1',
  closed: 'circuit.closed.v1',
  'probe-lost': 'circuit.probe-lost.v1',
}

export function createReporter(host: Pick<Host, 'metrics' | 'events' | 'log' | 'clock' | 'node'>): Reporter {
  const { metrics, events, log, clock } = host
  const calls = metrics.counter(
    'sluice_breaker_calls_total',
    'finished calls by outcome: success, failure, unreachable, none (says nothing about the upstream), slow',
    ['service', 'route', 'outcome'],
  )
  const refused = metrics.counter(
    'sluice_breaker_rejected_total',
    'requests that did not reach their upstream: rejected, fallback; shadow: would have been',
    ['service', 'route', 'outcome'],
  )
  const state = metrics.gauge(
    'sluice_breaker_phase_state',
    '0 closed, 1 recovering, 2 half-open, 3 open, as this node sees it',
    ['service', 'route'],
  )
  const changes = metrics.counter('sluice_breaker_transitions_total', 'changes of state', [
    'service',
    'route',
    'state',
  ])
  const rows = new Map<Reported, Row>()

  const rowOf = (entry: Reported): Row => {
    let row = rows.get(entry)
    if (row === undefined) {
      row = { entry, counts: new Map(), counters: new Map(), state: state.with(labelsOf(entry)) }
      rows.set(entry, row)
    }
    return row
  }
  const bump = (row: Row, what: Counted) => row.counts.set(what, (row.counts.get(what) ?? 0) + 1)

  const publish = (
    entry: Reported,
    transition: Transition,
    reach: 'cluster' | 'node',
    generation: number,
    timeMs: number,
    data: Readonly<Record<string, unknown>>,
  ) => {
    changes.with({ ...labelsOf(entry), state: transition }).add()
    const type = TYPES[transition]
    const writer = reach === 'cluster' ? '' : host.node
    void events.publish({
      type,
      subject: entry.cell.key,
      timeMs,
      identity: [entry.cell.key, writer, generation, timeMs].join(' '),
      data: { breaker: entry.cell.key, name: entry.name, reach, generation, ...data },
    })
    log.info({ breaker: entry.cell.key, name: entry.name, reach, ...data }, `circuit ${transition}`)
  }

  return {
    countCall(entry, outcome, slow) {
      const row = rowOf(entry)
      bump(row, outcome)
      if (slow) bump(row, 'slow')
    },
    count(entry, what) {
      bump(rowOf(entry), what)
    },
    announceShared(entry, snapshot) {
      const { transitions, lost } = snapshot
      for (const transition of new Set(transitions)) {
        const data =
          transition === 'opened'
            ? openedData(snapshot, snapshot.totals, snapshot.remainingMs)
            : transition === 'probe-lost'
              ? { lost }
              : {}
        publish(entry, transition, 'cluster', snapshot.generation, snapshot.atMs, data)
      }
    },
    announceOwn(entry, { layer, transitions }) {
      const { cell } = entry
      const held: BreakerState = cell[layer]
      const totals = cell.evidence ? { ...cell.evidence, nodes: 1, witnesses: 1 } : NO_TOTALS
      for (const transition of new Set(transitions)) {
        const data =
          transition === 'opened'
            ? openedData(held, totals, held.untilMs - held.sinceMs)
            : transition === 'probe-lost'
              ? { lost: transitions.filter(t => t === 'probe-lost').length }
              : {}
        publish(entry, transition, 'node', held.generation, clock.now(), data)
      }
    },
    announceMode({ cell: { key }, name }, { sequence, mode, actor, reason, remainingMs }) {
      void events.publish({
        type: 'circuit.forced.v1',
        subject: key,
        timeMs: sequence,
        identity: `${key} ${sequence}`,
        data: { breaker: key, mode, actor, reason, expires_in_ms: Math.round(remainingMs) },
      })
      log.warn({ breaker: key, name, mode, actor, reason }, 'circuit breaker ordered by an operator')
    },
    flush() {
      for (const { entry, counts, counters, state: gauge } of rows.values()) {
        for (const [what, amount] of counts) {
          let counter = counters.get(what)
          if (counter === undefined) {
            const metric = what === 'rejected' || what === 'fallback' || what === 'shadow' ? refused : calls
            counter = metric.with({ ...labelsOf(entry), outcome: what })
            counters.set(what, counter)
          }
          counter.add(amount)
        }
        counts.clear()
        gauge.set(STATE_NUMBER[deciding(entry.cell).phase])
      }
    },
  }
}

const NO_TOTALS: Totals = { calls: 0, failures: 0, slow: 0, nodes: 1, witnesses: 1 }

function openedData(
  held: Pick<BreakerState, 'cause' | 'attempt'>,
  { calls, failures, slow, nodes, witnesses }: Totals,
  openMs: number,
): Readonly<Record<string, unknown>> {
  return {
    cause: held.cause,
    open_ms: Math.round(openMs),
    attempt: held.attempt,
    calls,
    failures,
    slow,
    nodes,
    witnesses,
  }
}

function labelsOf({ cell, name }: Reported): { service: string; route: string } {
  const isService = cell.key.startsWith('service:')
  return { service: isService ? name : '', route: isService ? '' : name }
}
