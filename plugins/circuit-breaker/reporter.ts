import type { Host } from '../../sdk/sdk.ts'
import type { BreakerState, Transition } from './breaker.ts'
import type { Totals } from './evidence.ts'
import type { ModeSetting } from './mode.ts'
import { type Change, deciding, type NodeBreaker } from './node-breaker.ts'
import type { Snapshot } from './script.ts'
import { createGauges, type Gauges, type Tally } from './tally.ts'

/** A breaker as far as its metrics and events need it. */
export interface Reported {
  readonly breaker: NodeBreaker
  readonly name: string
  /** Counted on the request path, and added to the metrics off it. */
  readonly tally: Tally
}

/** Shows what breakers do: metrics, events, a line in the log. */
export interface Reporter {
  /** Brings the metrics of one breaker up to date. */
  show(entry: Reported): void
  /** What the store says that this node's call has brought about. */
  announceShared(entry: Reported, snapshot: Snapshot): void
  /** What a machine on this node has done. */
  announceOwn(entry: Reported, change: Change): void
  /** Every node that hears of an order publishes it; the event's identity makes them one. */
  announceMode(entry: Reported, mode: ModeSetting): void
}

const TYPES: Readonly<Record<Transition, string>> = {
  opened: 'circuit.opened.v1',
  'half-opened': 'circuit.half-opened.v1',
  recovering: 'circuit.recovering.v1',
  closed: 'circuit.closed.v1',
  'probe-lost': 'circuit.probe-lost.v1',
}

type Data = Readonly<Record<string, unknown>>

export function createReporter(host: Pick<Host, 'metrics' | 'events' | 'log' | 'clock' | 'node'>): Reporter {
  const { events, log, clock, node } = host
  const make = createGauges(host.metrics)
  const gauges = new Map<string, Gauges>()

  // The name of a service may become known later, or change: the labels follow it.
  const gaugesOf = (entry: Reported): Gauges => {
    const { service, route } = labelsOf(entry)
    const label = `${service}\0${route}`
    let made = gauges.get(label)
    if (made === undefined) {
      made = make({ service, route })
      gauges.set(label, made)
    }
    return made
  }

  const publish = (
    entry: Reported,
    transition: Transition,
    reach: 'cluster' | 'node',
    generation: number,
    timeMs: number,
    data: Data,
  ) => {
    const { key } = entry.breaker
    gaugesOf(entry).changed(transition)
    const identity = [key, reach === 'cluster' ? '' : node, generation, timeMs].join(' ')
    const common = { breaker: key, name: entry.name, reach, generation }
    void events.publish({
      type: TYPES[transition],
      subject: key,
      timeMs,
      identity,
      data: { ...common, ...data },
    })
    log.info({ ...common, ...data }, `circuit ${transition}`)
  }

  return {
    show(entry) {
      gaugesOf(entry).take(entry.tally, deciding(entry.breaker).phase)
    },
    announceShared(entry, snapshot) {
      const { transitions, lost, generation, atMs, totals, remainingMs } = snapshot
      for (const transition of new Set(transitions)) {
        const data = dataOf(transition, snapshot, totals, remainingMs, lost)
        publish(entry, transition, 'cluster', generation, atMs, data)
      }
    },
    announceOwn(entry, { layer, transitions }) {
      const held: BreakerState = entry.breaker[layer]
      const { evidence } = entry.breaker
      const totals = evidence ? { ...evidence, nodes: 1, witnesses: 1 } : NO_TOTALS
      const lost = transitions.filter(transition => transition === 'probe-lost').length
      for (const transition of new Set(transitions)) {
        const data = dataOf(transition, held, totals, held.untilMs - held.sinceMs, lost)
        publish(entry, transition, 'node', held.generation, clock.now(), data)
      }
    },
    announceMode({ breaker: { key }, name }, { sequence, mode, actor, reason, remainingMs }) {
      void events.publish({
        type: 'circuit.forced.v1',
        subject: key,
        timeMs: sequence,
        identity: `${key} ${sequence}`,
        data: { breaker: key, mode, actor, reason, expires_in_ms: Math.round(remainingMs) },
      })
      log.warn({ breaker: key, name, mode, actor, reason }, 'circuit breaker ordered by an operator')
    },
  }
}

const NO_TOTALS: Totals = { calls: 0, failures: 0, slow: 0, nodes: 1, witnesses: 1 }

function dataOf(
  transition: Transition,
  { cause, attempt }: Pick<BreakerState, 'cause' | 'attempt'>,
  { calls, failures, slow, nodes, witnesses }: Totals,
  openMs: number,
  lost: number,
): Data {
  if (transition === 'probe-lost') return { lost }
  if (transition !== 'opened') return {}
  return { cause, open_ms: Math.round(openMs), attempt, calls, failures, slow, nodes, witnesses }
}

function labelsOf({ breaker: { key }, name }: Reported): {
  readonly service: string
  readonly route: string
} {
  const isService = key.startsWith('service:')
  return { service: isService ? name : '', route: isService ? '' : name }
}
