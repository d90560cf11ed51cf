import { type Host, messageOf } from '../../sdk/sdk.ts'
import type { ProbeKind, ProbeResult } from './breaker.ts'
import { fromProbeMessage, PROBE_CHANNEL, toProbeMessage } from './channel.ts'
import {
  acquireHere,
  admit,
  type Change,
  decidingLayer,
  hold,
  type NodeMoment,
  release,
  retryAfterMs,
  settleHere,
} from './node-breaker.ts'
import { type Probe, writeMark } from './probe.ts'
import type { RegistryEntry } from './registry-entry.ts'
import type { Sharing } from './sharing.ts'

export type Decision =
  | { readonly kind: 'pass' }
  | { readonly kind: 'probe'; readonly mark: string }
  | { readonly kind: 'reject'; readonly retryAfterMs: number }

export const PASS: Decision = { kind: 'pass' }

export const rejection = (entry: RegistryEntry, nowMs: number): Decision => ({
  kind: 'reject',
  retryAfterMs: retryAfterMs(entry.breaker, nowMs),
})

/** After a permit was denied, none of its kind is asked for during this time. */
const DENIED_MS = 250

export interface ProberOptions {
  readonly host: Pick<Host, 'clock' | 'random' | 'store' | 'log'>
  /** Begins the token of every permit. */
  readonly id: string
  readonly sharing: Pick<Sharing, 'run' | 'sync'>
  readonly announce: (entry: RegistryEntry, change: Change) => void
  readonly entryOf: (breaker: string) => RegistryEntry | undefined
}

/** Gets permits for probes, from the store or from a machine on this node, and brings their results back. */
export class Prober {
  readonly #options: ProberOptions
  readonly #stop: () => void
  #tokens = 0

  constructor(options: ProberOptions) {
    this.#options = options
    this.#stop = options.host.store.watch(PROBE_CHANNEL, message => this.#hear(message))
  }

  close(): void {
    this.#stop()
  }

  /** Asks for a permit. Synchronous where this node decides by itself. */
  ask(entry: RegistryEntry, kind: ProbeKind): Decision | Promise<Decision> {
    const { breaker } = entry
    const now = this.#moment()
    if (now.nowMs < breaker.deniedUntilMs[kind]) return rejection(entry, now.nowMs)
    const layer = decidingLayer(breaker)
    if (layer === 'shared' && !breaker.alone) {
      // One asks at a time, and the others are rejected at once.
      return entry.isAsking ? rejection(entry, now.nowMs) : this.#askStore(entry, kind)
    }
    const token = this.#nextToken()
    const { granted, generation, change } = acquireHere(breaker, { token, kind }, now)
    this.#options.announce(entry, change)
    return granted ? probe({ layer, generation, token }) : rejection(entry, now.nowMs)
  }

  /**
   * Takes the result of a probe. Kong sends a log event over any of its connections: of several workers one may get it
   * that has not let the probe through, and whose own machine does not know it.
   */
  settle(entry: RegistryEntry, { layer, generation, token }: Probe, result: ProbeResult): void {
    const { breaker } = entry
    release(breaker, token)
    const settled = { token, generation, result }
    if (layer === 'own' && !this.#isMine(token)) {
      const { store } = this.#options.host
      store.publish(PROBE_CHANNEL, toProbeMessage(breaker.key, settled)).catch(() => {})
      return
    }
    if (layer === 'own' || breaker.alone) {
      this.#options.announce(entry, settleHere(breaker, layer, settled, this.#moment()))
      if (layer === 'own') return
    }
    entry.unsettled.push(settled)
    void this.#options.sharing.sync(entry)
  }

  async #askStore(entry: RegistryEntry, kind: ProbeKind): Promise<Decision> {
    const { breaker, tokens } = entry
    entry.isAsking = true
    const token = tokens[kind] ?? this.#nextToken()
    tokens[kind] = token
    const snapshot = await this.#options.sharing.run(entry, { op: 'acquire', token, kind })
    entry.isAsking = false
    const { nowMs } = this.#moment()
    // The permit may have been given all the same, so the token is kept: asking again finds it.
    if (snapshot === undefined) return rejection(entry, nowMs)
    tokens[kind] = undefined
    if (snapshot.granted) {
      hold(breaker, { token, kind }, nowMs)
      return probe({ layer: 'shared', generation: snapshot.generation, token })
    }
    if (snapshot.phase === 'half-open')
      breaker.deniedUntilMs = { ...breaker.deniedUntilMs, [kind]: nowMs + DENIED_MS }
    return admit(breaker, nowMs) === 'pass' ? PASS : rejection(entry, nowMs)
  }

  #hear(message: string): void {
    try {
      const { breaker, settled } = fromProbeMessage(message)
      const entry = this.#isMine(settled.token) ? this.#options.entryOf(breaker) : undefined
      if (entry) this.#options.announce(entry, settleHere(entry.breaker, 'own', settled, this.#moment()))
    } catch (error) {
      this.#options.host.log.warn({ reason: messageOf(error) }, 'unreadable message about a probe')
    }
  }

  #isMine(token: string): boolean {
    return token.startsWith(`${this.#options.id}/`)
  }

  #moment(): NodeMoment {
    const { clock, random } = this.#options.host
    return { nowMs: clock.monotonic(), wallMs: clock.now(), draw: random() }
  }

  #nextToken(): string {
    this.#tokens += 1
    return `${this.#options.id}/${this.#tokens.toString(36)}`
  }
}

const probe = (noted: Probe): Decision => ({ kind: 'probe', mark: writeMark(noted) })
