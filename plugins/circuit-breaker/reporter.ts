import type { Host } from '../../sdk/sdk.ts'
import type { BreakerState, Transition } from './breaker.ts'
import type { Totals } from './evidence.ts'
import { forcedEvent } from './forced.ts'
import type { ModeSetting } from './mode.ts'
import { type Change, deciding, type NodeBreaker } from './node-breaker.ts'
import type { Snapshot } from './script.ts'
import { BreakerMetrics, type ShownBreaker, type Tally } from './tally.ts'

/** A breaker as far as its metrics and events need it. */
export interface Reported {
  readonly breaker: NodeBreaker
  readonly name: string
  /** Counted on the request path, and added to the metrics off it. */
  readonly tally: Tally
}

const TYPES: Readonly<Record<Transition, string>> = {
  opened: 'circuit.opened.v1',
  'half-opened': 'circuit.half-opened.v1',
  recovering: 'circuit.recovering.v1',
  closed: 'circuit.closed.v1',
  'probe-lost': 'circuit.probe-lost.v1',
}

/** A change of state, as an event tells it. */
interface Told {
  readonly transition: Transition
  readonly reach: 'cluster' | 'node'
  readonly generation: number
  readonly timeMs: number
  readonly data: Readonly<Record<string, unknown>>
}

/** Shows what breakers do: metrics, events, a line in the log. */
export class Reporter {
  readonly #host: Pick<Host, 'events' | 'log' | 'clock' | 'node'>
  readonly #metrics: BreakerMetrics
  readonly #shown = new Map<string, ShownBreaker>()

  constructor(host: Pick<Host, 'metrics' | 'events' | 'log' | 'clock' | 'node'>) {
    this.#host = host
    this.#metrics = new BreakerMetrics(host.metrics)
  }

  /** Brings the metrics of one breaker up to date. */
  show(entry: Reported): void {
    this.#shownOf(entry).take(entry.tally, deciding(entry.breaker).phase)
  }

  /** What the store says that this node's call has brought about. */
  announceShared(entry: Reported, snapshot: Snapshot): void {
    const { transitions, lost, generation, atMs, totals, remainingMs } = snapshot
    for (const transition of new Set(transitions)) {
      const data = dataOf(transition, snapshot, { totals, openMs: remainingMs, lost })
      this.#publish(entry, { transition, reach: 'cluster', generation, timeMs: atMs, data })
    }
  }

  /** What a machine on this node has done. */
  announceOwn(entry: Reported, { layer, transitions }: Change): void {
    const held: BreakerState = entry.breaker[layer]
    const { evidence } = entry.breaker
    const totals = evidence ? { ...evidence, nodes: 1, witnesses: 1 } : NO_TOTALS
    const lost = transitions.filter(transition => transition === 'probe-lost').length
    const { generation } = held
    for (const transition of new Set(transitions)) {
      const data = dataOf(transition, held, { totals, openMs: held.untilMs - held.sinceMs, lost })
      this.#publish(entry, { transition, reach: 'node', generation, timeMs: this.#host.clock.now(), data })
    }
  }

  /** Every node that hears of an order publishes it; the event's identity makes them one. */
  announceMode({ breaker: { key }, name }: Reported, ordered: ModeSetting): void {
    const { mode, actor, reason } = ordered
    void this.#host.events.publish(forcedEvent(key, ordered))
    this.#host.log.warn({ breaker: key, name, mode, actor, reason }, 'an operator has set the breaker’s mode')
  }

  #publish(entry: Reported, { transition, reach, generation, timeMs, data }: Told): void {
    const { key } = entry.breaker
    this.#shownOf(entry).changed(transition)
    const identity = [key, reach === 'cluster' ? '' : this.#host.node, generation, timeMs].join(' ')
    const all = { breaker: key, name: entry.name, reach, generation, ...data }
    void this.#host.events.publish({ type: TYPES[transition], subject: key, timeMs, identity, data: all })
    this.#host.log.info(all, `circuit ${transition}`)
  }

  /** The name of a service may become known later, or change: the labels follow it. */
  #shownOf(entry: Reported): ShownBreaker {
    const isService = entry.breaker.key.startsWith('service:')
    const service = isService ? entry.name : ''
    const route = isService ? '' : entry.name
    const label = `${service}\0${route}`
    const known = this.#shown.get(label)
    if (known) return known
    const made = this.#metrics.of({ service, route })
    this.#shown.set(label, made)
    return made
  }
}

const NO_TOTALS: Totals = { calls: 0, failures: 0, slow: 0, nodes: 1, witnesses: 1 }

function dataOf(
  transition: Transition,
  { cause, attempt }: Pick<BreakerState, 'cause' | 'attempt'>,
  { totals, openMs, lost }: { readonly totals: Totals; readonly openMs: number; readonly lost: number },
): Told['data'] {
  if (transition === 'probe-lost') return { lost }
  if (transition !== 'opened') return {}
  const { calls, failures, slow, nodes, witnesses } = totals
  return { cause, open_ms: Math.round(openMs), attempt, calls, failures, slow, nodes, witnesses }
}
