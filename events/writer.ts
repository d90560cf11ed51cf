import { randomBytes } from 'node:crypto'
import { BoundedMap } from '../foundation/bounded-map.ts'
import type { Clock } from '../foundation/clock.ts'
import type { Logger } from '../foundation/log.ts'
import type { Timers } from '../foundation/timers.ts'
import type { EventDraft, EventPublisher } from '../sdk/event.ts'
import { genesis, link, sha256 } from './chain.ts'
import { Gathering } from './gathering.ts'
import type { EventMetrics, LossReason } from './metrics.ts'
import { encodeRecord, MAX_PAYLOAD_BYTES } from './spool/record.ts'
import type { Spool } from './spool/spool.ts'
import { derivedId, randomId, timeOf } from './stamp.ts'
import { storedJson } from './stored-json.ts'
import type { DraftProblem, EventRegistry } from './types/registry.ts'

/** Ids that are remembered, so that a log event that Kong delivers twice is written once. */
const REMEMBERED_IDS = 20_000
/** While events are being lost, how often that is written down. */
const LOSS_REPORT_MS = 10_000
const CHECKPOINT_MS = 60_000
/** Of the spool's limit, for events that are dropped first. */
const EXPENDABLE_SHARE = 0.9

/**
 * Events that come within this time are written together, or as soon as there are enough: a sync costs the process as
 * much CPU time as ten events, and an event costs less right behind its like, what it needs being in the CPU's cache.
 */
const GATHER_MS = 10
const ENOUGH = 32

/** Wrong events of one type whose faults are looked into, and faults that are logged in all. */
const LOOKED_INTO = 10
const MAX_COMPLAINTS = 100

/** A draft, and when it was published. */
interface Published {
  readonly draft: EventDraft
  readonly atMs: number
}

interface Loss {
  count: number
  firstMs: number
  lastMs: number
}

export interface EventWriterOptions {
  readonly node: string
  readonly writer: string
  readonly registry: EventRegistry
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Logger
  readonly metrics: EventMetrics
  readonly maxBytes: number
  /** Bytes that count against the limit besides the writer's own spool. */
  readonly otherBytes: () => number
}

/**
 * Turns drafts into events of one writer: stamps, chains and appends them. It alone knows the sequence.
 *
 * Nothing here throws to its caller, and nothing is dropped in silence: what can't be kept is counted, and written
 * down as `events.lost.v1` as soon as that can be.
 */
export class EventWriter implements EventPublisher {
  readonly #options: EventWriterOptions
  readonly #spool: Spool
  readonly #gathering: Gathering<Published>
  readonly #recent = new BoundedMap<Promise<void>>(REMEMBERED_IDS)
  readonly #losses = new Map<LossReason, Loss>()
  readonly #complained = new Set<string>()
  /** Wrong events of each type that were looked into. */
  readonly #lookedInto = new Map<string, number>()
  #sequence = 0
  #chain: string
  #lastReportMs = Number.NEGATIVE_INFINITY
  #lastCheckpoint = { sequence: 0, atMs: Number.NEGATIVE_INFINITY }

  constructor(spool: Spool, options: EventWriterOptions) {
    this.#options = options
    this.#spool = spool
    this.#chain = genesis(options.writer)
    this.#gathering = new Gathering({
      clock: options.clock,
      timers: options.timers,
      gatherMs: GATHER_MS,
      enough: ENOUGH,
      take: batch => Promise.all(new Set(batch.map(one => this.#take(one)))),
    })
  }

  get sequence(): number {
    return this.#sequence
  }

  publish(draft: EventDraft): Promise<void> {
    return this.#gathering.add({ draft, atMs: this.#options.clock.now() })
  }

  /** Counts events that are gone; `housekeep` writes it down. */
  countLost(reason: LossReason, count: number): void {
    const now = this.#options.clock.now()
    const loss = this.#losses.get(reason)
    if (loss) {
      loss.count += count
      loss.lastMs = now
    } else this.#losses.set(reason, { count, firstMs: now, lastMs: now })
    this.#options.metrics.lost(reason, count)
  }

  /** To be called about every second. */
  housekeep(): void {
    const now = this.#options.clock.monotonic()
    if (this.#losses.size > 0 && now - this.#lastReportMs >= LOSS_REPORT_MS) {
      this.#lastReportMs = now
      this.#reportLosses()
    }
    if (now - this.#lastCheckpoint.atMs >= CHECKPOINT_MS) this.#checkpoint(false)
  }

  /** Writes down the losses, and where the chain ends. */
  finish(): void {
    this.#gathering.flush()
    this.#reportLosses()
    this.#checkpoint(true)
  }

  /** Appends an event of the pipeline itself, also where the limit is reached. */
  publishOwn(draft: EventDraft): void {
    this.#gathering.flush()
    void this.#append({ draft, atMs: this.#options.clock.now() }, true)
  }

  /** Undefined for what is dropped. */
  #take(published: Published): Promise<void> | undefined {
    const { draft } = published
    try {
      return this.#isWellFormed(draft) ? this.#append(published, false) : undefined
    } catch {
      // A draft that can't even be read, such as one with a getter that throws.
      this.#options.log.error({ type: String(draft?.type) }, 'dropped an unreadable event')
      this.countLost('malformed', 1)
      return undefined
    }
  }

  /** Tells of what is not as its type wants it; only what has no type at all is refused. */
  #isWellFormed(draft: EventDraft): boolean {
    const problem = this.#options.registry.check(draft)
    if (!problem) return true
    this.#complain(draft.type, problem)
    if (problem.kind === 'malformed') {
      this.countLost('malformed', 1)
      return false
    }
    this.#options.metrics.undeclared(draft.type)
    return true
  }

  /** Says once of each fault what it is. To find that out takes longer than all else, so only the first few are looked into. */
  #complain(type: string, problem: DraftProblem): void {
    const before = this.#lookedInto.get(type) ?? 0
    if (before >= LOOKED_INTO || (before === 0 && this.#lookedInto.size >= MAX_COMPLAINTS)) return
    this.#lookedInto.set(type, before + 1)
    const text = problem.describe()
    if (this.#complained.has(text) || this.#complained.size >= MAX_COMPLAINTS) return
    this.#complained.add(text)
    this.#options.log.warn({ problem: text }, 'an event does not match its declared type')
  }

  #append({ draft, atMs }: Published, own: boolean): Promise<void> | undefined {
    const { metrics } = this.#options
    const timeMs = timeOf(draft, atMs)
    const id = idOf(draft, timeMs)
    const known = this.#recent.get(id)
    if (known) {
      metrics.repeated()
      return known
    }
    const { record, chain } = this.#encode(draft, id, timeMs)
    if (record.length > MAX_PAYLOAD_BYTES) return this.#lose('too-large')
    if (!own && !this.#hasRoom(draft.type, record.length)) return this.#lose('spool-full')
    const durable = this.#spool.append(record)
    if (!durable) return this.#lose('memory-full')
    this.#sequence += 1
    this.#chain = chain
    metrics.appended(draft.type)
    if (draft.identity !== undefined) this.#recent.set(id, durable)
    return durable
  }

  /** The next event of the chain; it is part of it only once the spool has taken it. */
  #encode(
    draft: EventDraft,
    id: string,
    timeMs: number,
  ): { readonly record: Buffer; readonly chain: string } {
    const { node, writer } = this.#options
    const text = storedJson({
      specversion: '1.0',
      id,
      type: draft.type,
      source: `/sluice/${node}`,
      subject: draft.subject,
      time: new Date(timeMs).toISOString(),
      datacontenttype: 'application/json',
      node,
      writer,
      sequence: this.#sequence + 1,
      data: draft.data,
    })
    const chain = link(this.#chain, sha256(text))
    return { record: encodeRecord(withChain(text, chain)), chain }
  }

  #lose(reason: LossReason): undefined {
    this.countLost(reason, 1)
  }

  /** The size limit's policy: the newest are dropped, the expendable ones earlier. */
  #hasRoom(type: string, bytes: number): boolean {
    const { maxBytes, otherBytes, registry } = this.#options
    const limit = registry.isExpendable(type) ? maxBytes * EXPENDABLE_SHARE : maxBytes
    return this.#spool.bytes + otherBytes() + bytes <= limit
  }

  #reportLosses(): void {
    // A copy: where the report itself is lost, its loss is entered anew, and would be come to again without an end.
    for (const [reason, { count, firstMs, lastMs }] of [...this.#losses]) {
      this.#losses.delete(reason)
      this.#options.log.error({ reason, count }, 'events lost')
      this.publishOwn({
        type: 'events.lost.v1',
        subject: this.#options.writer,
        data: {
          count,
          reason,
          first_at: new Date(firstMs).toISOString(),
          last_at: new Date(lastMs).toISOString(),
        },
      })
    }
  }

  #checkpoint(final: boolean): void {
    const { clock, writer, log } = this.#options
    if (this.#sequence === this.#lastCheckpoint.sequence) return
    const data = { writer, sequence: this.#sequence, chain: this.#chain, final }
    // The log is the copy that whoever can write to the database can't change.
    log.info(data, 'checkpoint of the chain of events')
    this.publishOwn({ type: 'events.checkpoint.v1', subject: writer, data })
    this.#lastCheckpoint = { sequence: this.#sequence, atMs: clock.monotonic() }
  }
}

const idOf = (draft: EventDraft, timeMs: number): string =>
  draft.identity === undefined
    ? randomId(timeMs, randomBytes(12).toString('hex'))
    : derivedId(timeMs, draft.type, draft.identity)

/** `chain` sorts before every other member of an event, so canonical text stays canonical. */
const withChain = (text: string, chain: string) => `{"chain":"${chain}",${text.slice(1)}`
