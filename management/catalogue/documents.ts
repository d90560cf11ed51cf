import { messageOf } from '../../foundation/errors.ts'
import type { FetchText } from './fetch-document.ts'
import type { Offer, OfferedService } from './offer.ts'
import { merge, type Source } from './openapi/merge.ts'
import type { Node } from './openapi/node.ts'
import { parseDocument } from './openapi/parse.ts'
import { inlineReferences } from './openapi/pointer.ts'

/** How many documents are fetched at once. */
const AT_ONCE = 8
const FRESH_MS = 60_000

interface Kept {
  readonly service: OfferedService
  /** The last good one. */
  document?: Node
  /** Of that one, milliseconds since the epoch. */
  fetchedAt?: number
  /** When the service was asked last. */
  askedAt?: number
  /** Why the last try brought none. */
  problem?: string | undefined
}

/** The last good document of each service that names one. */
export class Documents {
  readonly #fetchText: FetchText
  readonly #now: () => number
  #kept = new Map<string, Kept>()

  constructor(fetchText: FetchText, now: () => number) {
    this.#fetchText = fetchText
    this.#now = now
  }

  get sources(): readonly Source[] {
    return [...this.#kept.values()].flatMap(({ service, document, fetchedAt, problem }) =>
      document && fetchedAt !== undefined ? [{ service, document, fetchedAt, staleReason: problem }] : [],
    )
  }

  /** Why there is no document, or none of now; undefined where all is well. */
  problemOf = (service: OfferedService): string | undefined => this.#kept.get(service.id)?.problem

  /**
   * Asks for those that are old, and again for those that failed.
   *
   * @returns whether anything has changed
   */
  async refresh(offer: Offer): Promise<boolean> {
    const wanted = offer.services.filter(({ documentPath }) => documentPath !== undefined)
    const before = this.#kept
    this.#kept = new Map(wanted.map(service => [service.id, { ...before.get(service.id), service }]))
    const due = [...this.#kept.values()].filter(kept => this.#isDue(kept))
    let changed = before.size !== this.#kept.size || wanted.some(({ id }) => !before.has(id))
    for (let at = 0; at < due.length; at += AT_ONCE) {
      const batch = due.slice(at, at + AT_ONCE)
      for (const hasChanged of await Promise.all(batch.map(kept => this.#ask(kept, offer))))
        changed ||= hasChanged
    }
    return changed
  }

  #isDue({ askedAt, problem }: Kept): boolean {
    return askedAt === undefined || problem !== undefined || this.#now() - askedAt >= FRESH_MS
  }

  async #ask(kept: Kept, offer: Offer): Promise<boolean> {
    const { document, problem } = kept
    kept.askedAt = this.#now()
    try {
      const fetched = inlineReferences(parseDocument(await this.#fetchText(kept.service, offer)))
      // What cannot be shown is not kept: it would hide the documents of all others.
      merge(offer, [{ service: kept.service, document: fetched, fetchedAt: 0 }])
      kept.fetchedAt = this.#now()
      kept.problem = undefined
      kept.document = fetched
      return problem !== undefined || JSON.stringify(document) !== JSON.stringify(fetched)
    } catch (error) {
      kept.problem = messageOf(error)
      return problem !== kept.problem
    }
  }
}
