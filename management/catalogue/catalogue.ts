import { messageOf } from '../../foundation/errors.ts'
import type { Logger } from '../../foundation/log.ts'
import type { Timers } from '../../foundation/timers.ts'
import { Documents } from './documents.ts'
import type { FetchText } from './fetch-document.ts'
import { type ApiList, listApis } from './list.ts'
import { type KongRows, type Offer, readOffer } from './offer.ts'
import { merge } from './openapi/merge.ts'
import type { Node } from './openapi/node.ts'

/** The pause between two looks is at least this, and fifty times as long as reading Kong took. */
const LOOK_EVERY_MS = 10_000
const PAUSE_FACTOR = 50

export interface CatalogueParts {
  readonly readRows: () => Promise<KongRows>
  readonly fetchText: FetchText
  readonly now: () => number
  readonly timers: Timers
  readonly log: Logger
}

/** What is shown, all of one moment. */
export interface Snapshot {
  readonly list: ApiList
  readonly document: Node
}

/** Looks at Kong and at the services' documents again and again, and keeps what it saw last. */
export class Catalogue {
  readonly #parts: CatalogueParts
  readonly #documents: Documents
  #snapshot: Snapshot | undefined
  #problem: string | undefined
  #rowsText = ''
  #offer: Offer | undefined
  #readAt = 0
  #stop: (() => void) | undefined
  #closed = false

  constructor(parts: CatalogueParts) {
    this.#parts = parts
    this.#documents = new Documents(parts.fetchText, parts.now)
  }

  /** Undefined before Kong was read once. */
  get snapshot(): Snapshot | undefined {
    return this.#snapshot
  }

  /** Why Kong cannot be read. */
  get problem(): string | undefined {
    return this.#problem
  }

  /** Looks now, and from now on. */
  async start(): Promise<void> {
    const took = await this.look()
    if (this.#closed) return
    const pauseMs = Math.max(LOOK_EVERY_MS, took * PAUSE_FACTOR)
    this.#stop = this.#parts.timers.after(pauseMs, () => {
      this.start().catch((error: unknown) =>
        this.#parts.log.error({ reason: messageOf(error) }, 'a look failed'),
      )
    })
  }

  close(): void {
    this.#closed = true
    this.#stop?.()
  }

  /** @returns how long reading Kong took, milliseconds */
  async look(): Promise<number> {
    const { now, log } = this.#parts
    const began = now()
    const problem = this.#problem
    let changed = false
    try {
      changed = await this.#readKong()
      this.#problem = undefined
      this.#readAt = began
    } catch (error) {
      this.#problem = `Kong cannot be read: ${messageOf(error)}`
      if (problem === undefined)
        log.warn({ reason: messageOf(error) }, 'Kong cannot be read; the list stays as it was')
    }
    const took = now() - began
    if (!this.#offer) return took
    const haveChanged = await this.#documents.refresh(this.#offer)
    this.#snapshot = this.#show(this.#offer, changed || haveChanged)
    return took
  }

  async #readKong(): Promise<boolean> {
    const rows = await this.#parts.readRows()
    const text = JSON.stringify(rows)
    if (text === this.#rowsText) return false
    this.#offer = readOffer(rows)
    this.#rowsText = text
    return true
  }

  #show(offer: Offer, changed: boolean): Snapshot {
    const facts = { as_of: new Date(this.#readAt).toISOString(), problem: this.#problem ?? null }
    if (this.#snapshot && !changed) return { ...this.#snapshot, list: { ...this.#snapshot.list, ...facts } }
    const { sources, problemOf } = this.#documents
    const { document, dropped } = merge(offer, sources)
    return { list: { ...facts, data: listApis({ offer, sources, dropped, problemOf }) }, document }
  }
}
