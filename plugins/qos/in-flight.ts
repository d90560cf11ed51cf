/** What bounds a try of a service in Kong. Over ProtoBuf a 0 arrives as nothing. */
export interface TryBounds {
  readonly connectTimeoutMs?: number
  readonly writeTimeoutMs?: number
  readonly readTimeoutMs?: number
  readonly retries?: number
}

/** Kong's own defaults. */
const DEFAULTS: TryBounds = {
  connectTimeoutMs: 60_000,
  writeTimeoutMs: 60_000,
  readTimeoutMs: 60_000,
  retries: 5,
}
/** For the log event to come. */
const GRACE_MS = 10_000
const DAY_MS = 86_400_000

/**
 * The longest time that a request can be in flight: each of Kong's tries may take all three time-outs of the service.
 * A WebSocket and a server-sent stream have no end that anybody knows, and get a day. A download may go on longer than
 * this, since Kong bounds only the time between two reads of it.
 */
export function longestLifeMs(
  service: TryBounds | undefined,
  { upgrade, accept }: Readonly<Record<string, unknown>>,
): number {
  if (/^websocket$/i.test(String(upgrade)) || /\btext\/event-stream\b/i.test(String(accept))) return DAY_MS
  const { connectTimeoutMs = 0, writeTimeoutMs = 0, readTimeoutMs = 0, retries = 0 } = service ?? DEFAULTS
  const tryMs = connectTimeoutMs + writeTimeoutMs + readTimeoutMs
  return Math.min(DAY_MS, tryMs * (1 + retries) + GRACE_MS)
}

interface Request {
  readonly subject: string
  readonly lifeMs: number
  readonly untilMs: number
}

/** How many requests each subject has in flight, for `concurrency`. */
export class InFlight {
  readonly #counts = new Map<string, number>()
  readonly #requests = new Map<number, Request>()
  /** Requests by how long they may last: within one, the oldest end first. */
  readonly #lanes = new Map<number, Set<number>>()

  countOf(subject: string): number {
    return this.#counts.get(subject) ?? 0
  }

  enter(id: number, subject: string, lifeMs: number, nowMs: number): void {
    this.#requests.set(id, { subject, lifeMs, untilMs: nowMs + lifeMs })
    this.#counts.set(subject, this.countOf(subject) + 1)
    let lane = this.#lanes.get(lifeMs)
    if (lane === undefined) {
      lane = new Set()
      this.#lanes.set(lifeMs, lane)
    }
    lane.add(id)
  }

  leave(id: number): void {
    const request = this.#requests.get(id)
    if (request === undefined) return
    this.#requests.delete(id)
    this.#lanes.get(request.lifeMs)?.delete(id)
    const left = this.countOf(request.subject) - 1
    if (left > 0) this.#counts.set(request.subject, left)
    else this.#counts.delete(request.subject)
  }

  /** Drops those whose log event Kong must have lost. */
  expire(nowMs: number): void {
    for (const [lifeMs, lane] of this.#lanes) {
      for (const id of lane) {
        if (this.#requests.get(id)!.untilMs > nowMs) break
        this.leave(id)
      }
      if (lane.size === 0) this.#lanes.delete(lifeMs)
    }
  }
}
