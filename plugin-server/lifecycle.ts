/**
 * How a server ends, whether it is one process or has workers: on request, or because a successor has renamed its own
 * socket over the path.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Clock } from '../foundation/clock.ts'
import { messageOf } from '../foundation/errors.ts'
import type { Logger } from '../foundation/log.ts'
import { systemTimers, type Timers } from '../foundation/timers.ts'

/** Kong closes its idle connections after 60 s; none is left then. */
const LEAVE_AFTER_MS = 65_000
/** How often a server looks whether a successor has taken its path over. */
const SUCCESSOR_CHECK_MS = 250
const CONNECTIONS_CHECK_MS = 50

export interface Server {
  readonly socket: string
  /** Of the HTTP endpoints; undefined when they are switched off. */
  readonly httpPort: number | undefined
  /** Resolves when the server has ended, by `close` or because a successor has taken over and all of Kong's connections are gone. */
  readonly ended: Promise<void>
  /** Finishes the events in flight, passes Kong on to a successor where there is one, and ends. */
  close(): Promise<void>
}

export interface LifecycleParts {
  /** The socket. */
  readonly listener: {
    /** False once a successor has taken the path over. */
    current(): boolean
    stopAccepting(): void
  }
  /** Metrics and health, public keys. */
  readonly http: readonly { close(): Promise<void> }[]
  /** Finishes the events in flight. */
  readonly drain: (succeeded: boolean) => Promise<void>
  readonly endings: Endings
  readonly log: Logger
  readonly timers?: Timers
}

/** A server that serves until it is told to end, or has a successor. */
export class Lifecycle {
  readonly ended: Promise<void>
  readonly #parts: LifecycleParts
  readonly #stopChecking: () => void
  #resolveEnded!: () => void
  #end: Promise<void> | undefined

  constructor(parts: LifecycleParts) {
    this.#parts = parts
    this.ended = new Promise(resolve => {
      this.#resolveEnded = resolve
    })
    this.#stopChecking = (parts.timers ?? systemTimers).every(SUCCESSOR_CHECK_MS, () => {
      if (!parts.listener.current()) void this.close()
    })
  }

  get isLeaving(): boolean {
    return this.#end !== undefined
  }

  readonly close = (): Promise<void> => {
    this.#end ??= this.#leave()
    return this.#end
  }

  async #leave(): Promise<void> {
    const { listener, http, drain, endings, log } = this.#parts
    this.#stopChecking()
    const succeeded = !listener.current()
    log.info({ succeeded }, 'draining')
    // With a successor nobody finds the way here any more, but a connection may still wait to be accepted.
    if (!succeeded) listener.stopAccepting()
    // The ports are the successor's now; without one, /readyz shows that this server is draining.
    if (succeeded) await Promise.all(http.map(one => one.close()))
    await drain(succeeded)
    await endings.run()
    log.info('ended')
    this.#resolveEnded()
  }
}

/** Why no request can be decided, as far as the server's life goes; undefined while it starts. */
export function blockersOf(lifecycle: Lifecycle | undefined): string[] {
  if (!lifecycle) return ['the server is starting']
  return lifecycle.isLeaving ? ['the server is draining'] : []
}

export function serverOf(
  socket: string,
  http: { readonly port: number | undefined },
  { ended, close }: Lifecycle,
): Server {
  return {
    socket,
    get httpPort() {
      return http.port
    },
    ended,
    close,
  }
}

export interface DrainParts {
  readonly runtime: { readonly running: number; drain(): Promise<void> }
  readonly connections: () => number
  readonly clock: Clock
  readonly log: Logger
}

/**
 * Ends one process's events: no new one begins, those in flight are finished. With a successor the connections are
 * kept until Kong has moved them: it repeats each one's next event there by itself.
 */
export async function drainEvents(succeeded: boolean, parts: DrainParts): Promise<void> {
  const { runtime, connections, clock, log } = parts
  log.debug({ connections: connections(), running: runtime.running }, 'finishing events')
  const deadline = clock.monotonic() + LEAVE_AFTER_MS
  const given = new AbortController()
  const late = pause(LEAVE_AFTER_MS, undefined, { signal: given.signal }).catch(() => {})
  await Promise.race([runtime.drain(), late])
  given.abort()
  while (succeeded && connections() > 0 && clock.monotonic() < deadline) await pause(CONNECTIONS_CHECK_MS)
}

export interface Endings {
  add(end: () => Promise<void> | void): void
  /** Ends what was added, the last first; one that fails is logged and stops no other. */
  run(): Promise<void>
}

export function createEndings(log: Logger): Endings {
  const endings: (() => Promise<void> | void)[] = []
  return {
    add: end => endings.push(end),
    async run() {
      for (const end of endings.splice(0).reverse()) {
        try {
          await end()
        } catch (error) {
          log.error({ reason: messageOf(error) }, 'shutdown step failed')
        }
      }
    },
  }
}
