import { messageOf } from '../../foundation/errors.ts'
import { readExposition, type Sample } from './exposition.ts'
import { type Figures, isFigure } from './figures.ts'

const TIMEOUT_MS = 2_000
const STATES = new Set([
  'sluice_events_backlog_records',
  'sluice_events_backlog_bytes',
  'sluice_events_lag_seconds',
  'sluice_events_spool_bytes',
])

/** How far a sink of a plugin server is. */
export interface SinkState {
  records: number
  bytes: number
  lagSeconds: number
}

/** One place where metrics are read: Kong's Status API, or a plugin server. */
export class MetricsSource {
  readonly url: string
  readonly sinks = new Map<string, SinkState>()
  spoolBytes = 0
  /** Why the last reading failed. */
  reason: string | undefined = 'not read yet'
  /** Of the last reading that succeeded, milliseconds since the epoch. */
  atMs: number | undefined
  /** Undefined before the first reading: what was counted until then was not counted now. */
  #values: Map<string, number> | undefined

  constructor(url: string) {
    this.url = url
  }

  /** Reads, and adds what has happened since the last time. Never rejects. */
  async read(figures: Figures, nowMs: number): Promise<void> {
    try {
      const response = await fetch(this.url, {
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
        headers: { accept: 'text/plain; version=0.0.4' },
      })
      const text = await response.text()
      if (!response.ok) throw new Error(`it answers ${response.status}`)
      this.#take(text, figures)
      this.reason = undefined
      this.atMs = nowMs
    } catch (error) {
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
      // A connection that fails at every address of a name has a cause without a message.
      this.reason = messageOf(cause) || messageOf(error)
      this.sinks.clear()
      this.spoolBytes = 0
    }
  }

  #take(text: string, figures: Figures): void {
    const before = this.#values
    const values = new Map<string, number>()
    this.sinks.clear()
    this.spoolBytes = 0
    for (const sample of readExposition(text, name => isFigure(name) || STATES.has(name))) {
      if (STATES.has(sample.name)) {
        this.#note(sample)
        continue
      }
      const { series, value } = sample
      values.set(series, value)
      if (!before) continue
      const last = before.get(series) ?? 0
      // A counter that has shrunk began anew.
      const delta = value >= last ? value - last : value
      if (delta > 0) figures.count(sample, delta)
    }
    this.#values = values
  }

  #note({ name, labels, value }: Sample): void {
    if (name === 'sluice_events_spool_bytes') {
      this.spoolBytes += value
      return
    }
    const sink = labels.sink ?? ''
    const state = this.sinks.get(sink) ?? { records: 0, bytes: 0, lagSeconds: 0 }
    if (name === 'sluice_events_backlog_records') state.records += value
    else if (name === 'sluice_events_backlog_bytes') state.bytes += value
    else state.lagSeconds = Math.max(state.lagSeconds, value)
    this.sinks.set(sink, state)
  }
}
