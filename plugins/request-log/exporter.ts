import { type Fetch, type Logger, messageOf, type Timers } from '../../sdk/sdk.ts'
import { exportRequest, type OtlpSpan } from './spans.ts'

const MAX_BATCH = 512
const MAX_WAITING = 8_192
const SEND_EVERY_MS = 1_000
const SEND_WITHIN_MS = 5_000
const MAX_PAUSE_MS = 30_000
/** What a collector may accept later (OTLP/HTTP: "Retryable Response Codes"). */
const RETRYABLE: readonly number[] = [429, 502, 503, 504]

export type SpanOutcome = 'exported' | 'dropped' | 'refused'

export interface ExporterParts {
  /** Whole, with `/v1/traces`. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly node: string
  readonly fetch: Fetch
  readonly timers: Timers
  readonly log: Pick<Logger, 'warn' | 'info'>
  readonly count: (outcome: SpanOutcome, spans: number) => void
  /** Called when the collector stops taking spans, with the reason, and when it takes them again. */
  readonly onFault: (reason: string | undefined) => void
}

/**
 * Sends spans to a collector in batches, one at a time. No request waits for it: what does not fit into memory while
 * the collector is away is dropped and counted.
 */
export class SpanExporter {
  readonly #parts: ExporterParts
  readonly #stop: () => void
  #waiting: OtlpSpan[] = []
  #sending: Promise<void> | undefined
  #failures = 0
  #pauses = 0

  constructor(parts: ExporterParts) {
    this.#parts = parts
    this.#stop = parts.timers.every(SEND_EVERY_MS, () => this.#tick())
  }

  add(spans: readonly OtlpSpan[]): void {
    // All of a request or none: a part would leave spans without their parent.
    if (this.#waiting.length + spans.length > MAX_WAITING) {
      this.#parts.count('dropped', spans.length)
      return
    }
    this.#waiting.push(...spans)
    if (this.#waiting.length >= MAX_BATCH && this.#failures === 0) this.#send()
  }

  /** Sends what is left, once. */
  async close(): Promise<void> {
    this.#stop()
    await this.#sending
    while (this.#waiting.length > 0 && this.#failures === 0) await this.#sendBatch()
    if (this.#waiting.length > 0) this.#parts.count('dropped', this.#waiting.length)
    this.#waiting = []
  }

  #tick(): void {
    if (this.#pauses > 0) this.#pauses--
    else this.#send()
  }

  #send(): void {
    if (this.#sending || this.#waiting.length === 0) return
    this.#sending = this.#sendAll().finally(() => {
      this.#sending = undefined
    })
  }

  async #sendAll(): Promise<void> {
    do await this.#sendBatch()
    while (this.#failures === 0 && this.#waiting.length >= MAX_BATCH)
  }

  async #sendBatch(): Promise<void> {
    const batch = this.#waiting.slice(0, MAX_BATCH)
    const problem = await this.#post(batch)
    if (problem?.isLasting) {
      // The same batch would be refused again.
      this.#waiting.splice(0, batch.length)
      this.#parts.count('refused', batch.length)
      this.#noteFailure(problem.reason)
    } else if (problem) this.#noteFailure(problem.reason)
    else {
      this.#waiting.splice(0, batch.length)
      this.#parts.count('exported', batch.length)
      if (this.#failures > 0) this.#parts.onFault(undefined)
      this.#failures = 0
    }
  }

  async #post(batch: readonly OtlpSpan[]): Promise<{ reason: string; isLasting: boolean } | undefined> {
    const { url, headers, node, fetch } = this.#parts
    try {
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(exportRequest(batch, node)),
        timeoutMs: SEND_WITHIN_MS,
      })
      await answer.text()
      if (answer.ok) return undefined
      return { reason: `status ${answer.status}`, isLasting: !RETRYABLE.includes(answer.status) }
    } catch (error) {
      return { reason: messageOf(error), isLasting: false }
    }
  }

  #noteFailure(reason: string): void {
    if (this.#failures === 0) this.#parts.onFault(reason)
    this.#failures++
    const pauseMs = Math.min(MAX_PAUSE_MS, SEND_EVERY_MS * 2 ** Math.min(this.#failures, 10))
    this.#pauses = Math.floor(pauseMs / SEND_EVERY_MS) - 1
  }
}
