import { messageOf } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'
import type { Phase } from '../../protocol/pdk/phases.ts'

const LOG_EVERY_MS = 1000
/** A failure is logged without its request's id when Kong has not sent it by then. */
const REQUEST_ID_WITHIN_MS = 1000

export interface Failure {
  /** The plugin's own. */
  readonly log: Logger
  readonly plugin: string
  readonly phase: Phase
  readonly kind: 'error' | 'late'
  readonly error: unknown
}

/** A failure that is to be logged. */
export interface FailureLine {
  /**
   * Writes it; only the first call does. Where none comes, it is written without an id after a second, or when the
   * log closes.
   *
   * @param requestId Kong's id of the request, where it is known.
   */
  write(requestId: string | undefined): void
}

/** Logs the failures of plugins, each kind once a second at most. */
export class FailureLog {
  readonly #loggedAtMs = new Map<string, number>()
  readonly #unwritten = new Set<Line>()

  /** @returns what to log; undefined where the plugin has failed so within the last second. */
  add(failure: Failure, nowMs: number): FailureLine | undefined {
    const key = `${failure.plugin} ${failure.phase} ${failure.kind}`
    const last = this.#loggedAtMs.get(key)
    if (last !== undefined && nowMs - last < LOG_EVERY_MS) return undefined
    this.#loggedAtMs.set(key, nowMs)
    const line = new Line(failure, nowMs, this.#unwritten)
    this.#unwritten.add(line)
    return line
  }

  /** Writes those whose id has not come. */
  tick(nowMs: number): void {
    for (const line of this.#unwritten) if (nowMs - line.atMs > REQUEST_ID_WITHIN_MS) line.write(undefined)
  }

  close(): void {
    for (const line of this.#unwritten) line.write(undefined)
  }
}

class Line implements FailureLine {
  readonly atMs: number
  readonly #failure: Failure
  readonly #unwritten: Set<Line>

  constructor(failure: Failure, atMs: number, unwritten: Set<Line>) {
    this.#failure = failure
    this.atMs = atMs
    this.#unwritten = unwritten
  }

  write(requestId: string | undefined): void {
    if (!this.#unwritten.delete(this)) return
    const { log, phase, kind, error } = this.#failure
    const about = { phase, ...(requestId !== undefined && { requestId }) }
    if (kind === 'late') log.error(about, 'phase timed out')
    else
      log.error(
        { ...about, reason: messageOf(error), stack: error instanceof Error ? error.stack : undefined },
        'phase failed',
      )
  }
}
