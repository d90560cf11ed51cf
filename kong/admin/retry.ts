import { isTransient } from './answer.ts'

export interface RetryOptions {
  /** How long to retry, milliseconds from the first failure; a function is called at each failure. */
  readonly forMs: number | (() => number)
  /** The first pause; it doubles up to `maxPauseMs`. Milliseconds. */
  readonly pauseMs?: number
  readonly maxPauseMs?: number
  readonly signal?: AbortSignal
  /** Told before each pause. */
  readonly onRetry?: (error: unknown, pauseMs: number) => void
}

/** Time and chance, so that tests can hold both. */
export interface RetryParts {
  /** Milliseconds that never go back. */
  readonly monotonic: () => number
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly wait: (ms: number, signal?: AbortSignal) => Promise<void>
}

/**
 * Does `work` again while it fails for reasons that may pass. Only for requests that may be sent twice.
 *
 * Pauses are drawn between the half and the whole of a doubling limit, so that clients do not come back at once
 * after an outage.
 */
export async function retry<T>(work: () => Promise<T>, options: RetryOptions, parts: RetryParts): Promise<T> {
  let limitMs = options.pauseMs ?? 100
  let failedAtMs: number | undefined
  for (;;) {
    try {
      return await work()
    } catch (error) {
      const now = parts.monotonic()
      failedAtMs ??= now
      const deadlineMs = failedAtMs + (typeof options.forMs === 'number' ? options.forMs : options.forMs())
      const pauseMs = Math.min(limitMs * (0.5 + parts.random() / 2), deadlineMs - now)
      if (!isTransient(error) || now >= deadlineMs || options.signal?.aborted) throw error
      options.onRetry?.(error, pauseMs)
      await parts.wait(pauseMs, options.signal)
      limitMs = Math.min(limitMs * 2, options.maxPauseMs ?? 2_000)
    }
  }
}

/** Waits; ends early, without failing, when the signal comes. */
export function wait(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done, { once: true })
  })
}
