import { messageOf } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'

/** How often a fault of one kind is logged, and for how long it is shown after the last one. */
const PERIOD_MS = 60_000
const MAX_KINDS = 20

const CLUSTER =
  'this server belongs to a Redis Cluster: give several of its nodes in SLUICE_REDIS_URL, separated by commas'
const REMEDIES: Readonly<Record<string, string>> = {
  WRONGTYPE: 'another program uses this key: give Sluice a Redis, or a database of it, of its own',
  MOVED: CLUSTER,
  ASK: CLUSTER,
  CROSSSLOT: CLUSTER,
}
const OTHER = 'what needs this key is decided without Redis'

interface Fault {
  readonly sentence: string
  loggedMs: number
  lastMs: number
  /** Since it was logged. */
  count: number
}

/** Calls that Redis refuses though it serves others: each kind is logged once a minute, with what to do about it. */
export class CallFaults {
  readonly #log: Logger
  readonly #now: () => number
  readonly #faults = new Map<string, Fault>()

  /** @param now monotonic milliseconds */
  constructor(log: Logger, now: () => number) {
    this.#log = log
    this.#now = now
  }

  add(what: string, key: string, error: unknown): void {
    const said = messageOf(error)
    const kind = /^[A-Z]+\b/.exec(said)?.[0] ?? 'unknown'
    const nowMs = this.#now()
    let fault = this.#faults.get(kind)
    if (!fault) {
      if (this.#faults.size >= MAX_KINDS) return
      const sentence = `Redis refuses calls with ${kind}: ${REMEDIES[kind] ?? OTHER}`
      fault = { sentence, loggedMs: Number.NEGATIVE_INFINITY, lastMs: nowMs, count: 0 }
      this.#faults.set(kind, fault)
    }
    fault.lastMs = nowMs
    fault.count++
    if (nowMs - fault.loggedMs < PERIOD_MS) return
    // The beginning of the key tells whose it is; behind it a client's address may stand.
    const prefix = key.split(':').slice(0, 2).join(':')
    const { count } = fault
    this.#log.error({ call: what, key: `${prefix}…`, reason: said, count }, fault.sentence)
    fault.loggedMs = nowMs
    fault.count = 0
  }

  /** Of the last minute; one sentence. */
  get problem(): string | undefined {
    const nowMs = this.#now()
    const recent = [...this.#faults.values()].filter(({ lastMs }) => nowMs - lastMs < PERIOD_MS)
    return recent.length === 0 ? undefined : recent.map(({ sentence }) => sentence).join('; ')
  }
}
