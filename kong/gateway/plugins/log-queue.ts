import { messageOf } from '../../../foundation/errors.ts'
import type { Logger } from '../../../foundation/log.ts'

/** Kong's parameters of a queue, as they stand in a configuration; times in seconds. */
export interface QueueConfig {
  readonly max_batch_size: number
  /** How long the first entry of a batch waits for others. */
  readonly max_coalescing_delay: number
  readonly max_entries: number
  readonly max_bytes: number | null
  readonly initial_retry_delay: number
  readonly max_retry_delay: number
  /** A batch that can't be sent for so long is dropped. */
  readonly max_retry_time: number
}

export interface LogQueueOptions {
  readonly name: string
  /** @throws an error for which the batch is sent again */
  readonly send: (batch: readonly string[]) => Promise<void>
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  readonly now: () => number
  readonly logger: Logger
}

/** Log entries on their way to a server: in batches, in order, repeated with a growing delay. */
export class LogQueue {
  readonly #options: LogQueueOptions
  readonly #entries: string[] = []
  readonly #closing = new AbortController()
  #config: QueueConfig
  #bytes = 0
  #running: Promise<void> | undefined
  #onFull: (() => void) | undefined

  constructor(config: QueueConfig, options: LogQueueOptions) {
    this.#config = config
    this.#options = options
  }

  /** The newest configuration counts. A full queue drops its oldest entries. */
  push(entry: string, config: QueueConfig): void {
    this.#config = config
    this.#entries.push(entry)
    this.#bytes += entry.length
    const { max_entries, max_bytes, max_batch_size } = config
    while (this.#entries.length > max_entries || (max_bytes !== null && this.#bytes > max_bytes)) {
      this.#take(1)
      this.#options.logger.error({ queue: this.#options.name }, 'log queue full: dropping the oldest entry')
    }
    if (this.#entries.length >= max_batch_size) this.#onFull?.()
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  /** Sends the remaining batches, each once. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#onFull?.()
    await this.#running
  }

  async #run(): Promise<void> {
    while (this.#entries.length > 0) {
      await this.#coalesce()
      await this.#deliver(this.#take(this.#config.max_batch_size))
    }
  }

  /** Waits for a whole batch, but not for long. */
  async #coalesce(): Promise<void> {
    const { max_batch_size, max_coalescing_delay } = this.#config
    if (this.#entries.length >= max_batch_size || this.#closing.signal.aborted) return
    const full = new AbortController()
    this.#onFull = () => full.abort()
    await this.#options.sleep(max_coalescing_delay * 1_000, full.signal)
    this.#onFull = undefined
  }

  async #deliver(batch: readonly string[]): Promise<void> {
    const { name, send, sleep, now, logger } = this.#options
    const startedMs = now()
    for (let tries = 0; ; tries++) {
      try {
        return await send(batch)
      } catch (error) {
        const { initial_retry_delay, max_retry_delay, max_retry_time } = this.#config
        const isOver = now() - startedMs > max_retry_time * 1_000 || this.#closing.signal.aborted
        logger[isOver ? 'error' : 'warn'](
          { queue: name, err: messageOf(error) },
          'failed to send log entries',
        )
        if (isOver) return
        const delaySeconds = Math.min(max_retry_delay, initial_retry_delay * 2 ** tries)
        await sleep(delaySeconds * 1_000, this.#closing.signal)
      }
    }
  }

  #take(count: number): string[] {
    const taken = this.#entries.splice(0, count)
    for (const { length } of taken) this.#bytes -= length
    return taken
  }
}
