import type { SluiceEvent } from '../sdk/event.ts'
import { digestOf, genesis, link, sha256 } from './chain.ts'
import { storedJson } from './stored-json.ts'

/** A place in a writer's chain, as it was found in a store. */
export interface ChainEntry {
  readonly sequence: number
  /** The link that is stored with it; undefined for one that is stored elsewhere under the same id. */
  readonly chain: string | undefined
  /** The event without its link; only its digest, where no more is kept; undefined where it can't be read. */
  readonly content: Readonly<Partial<SluiceEvent>> | { readonly digest: string } | undefined
}

/** Where a chain is known to have stood, from a place that whoever changed the store could not change. */
export interface Checkpoint {
  readonly writer: string
  readonly sequence: number
  readonly chain: string
}

export type ChainProblem =
  | { readonly kind: 'deleted'; readonly writer: string; readonly from: number; readonly to: number }
  | { readonly kind: 'altered'; readonly writer: string; readonly sequence: number }
  /** The event that stands at `sequence` was written as number `belongsAt`. */
  | {
      readonly kind: 'reordered'
      readonly writer: string
      readonly sequence: number
      readonly belongsAt: number
    }
  /** The whole chain was computed anew: it is sound, and not the one that the checkpoint knows. */
  | { readonly kind: 'rewritten'; readonly writer: string; readonly sequence: number }

export interface ChainReport {
  readonly writer: string
  /** Events whose links were computed and found right. */
  readonly verified: number
  readonly last: number
  readonly problems: readonly ChainProblem[]
}

/** Entries around one that does not follow, among which the true order is looked for. */
const MAX_DISORDER = 64
/** So many that follow each other end the disorder. */
const ORDER_AGAIN = 16
/** Entries whose true place is looked for; each may cost some thousand hashes. */
const MAX_SEARCHES = 2_000

interface Suspect {
  readonly entry: ChainEntry
  readonly sequence: number
  readonly chain: string
}

/**
 * Verifies the chain of one writer, entry by entry in the order of their sequence; holds no more than a few entries
 * at a time.
 *
 * @param start where the chain stood before its first entry, when the ones before were removed by retention.
 */
export class ChainVerifier {
  readonly #writer: string
  readonly #checkpoints: ReadonlyMap<number, string>
  readonly #problems: ChainProblem[] = []
  #last: number
  /** Undefined behind a gap: the next entry can't be checked against anything. */
  #chain: string | undefined
  #verified = 0
  #suspects: Suspect[] = []
  #anchor: string | undefined
  #inOrder = 0
  #searches = 0

  constructor(writer: string, options: { start?: Checkpoint; checkpoints?: readonly Checkpoint[] } = {}) {
    this.#writer = writer
    this.#last = options.start?.sequence ?? 0
    this.#chain = options.start?.chain ?? genesis(writer)
    this.#checkpoints = new Map(options.checkpoints?.map(({ sequence, chain }) => [sequence, chain]))
  }

  add(entry: ChainEntry): void {
    const { sequence } = entry
    if (sequence > this.#last + 1) {
      this.#settle()
      this.#problems.push({ kind: 'deleted', writer: this.#writer, from: this.#last + 1, to: sequence - 1 })
      this.#chain = undefined
    }
    this.#last = sequence
    const known = this.#checkpoints.get(sequence)
    const before = this.#chain
    if (before === undefined || entry.content === undefined) {
      // Nothing before it to check against: its own link is where the next one goes on from.
      this.#settle()
      this.#chain = entry.chain
      return
    }
    const right = link(before, digest(entry, sequence))
    const chain = entry.chain ?? right
    this.#chain = chain
    if (right !== chain || this.#suspects.length > 0) {
      if (this.#suspects.length === 0) this.#anchor = before
      this.#suspects.push({ entry, sequence, chain })
      this.#inOrder = right === chain ? this.#inOrder + 1 : 0
      if (this.#suspects.length >= MAX_DISORDER || this.#inOrder >= ORDER_AGAIN) this.#settle()
      return
    }
    this.#verified++
    if (known !== undefined && known !== chain)
      this.#problems.push({ kind: 'rewritten', writer: this.#writer, sequence })
  }

  /** @param expectedLast the last sequence that is known from elsewhere. */
  finish(expectedLast = 0): ChainReport {
    this.#settle()
    const end = Math.max(expectedLast, ...this.#checkpoints.keys())
    if (end > this.#last)
      this.#problems.push({ kind: 'deleted', writer: this.#writer, from: this.#last + 1, to: end })
    return { writer: this.#writer, verified: this.#verified, last: this.#last, problems: this.#problems }
  }

  /** Says of each suspect whether it was altered, or only moved. */
  #settle(): void {
    const suspects = this.#suspects
    if (suspects.length === 0) return
    this.#suspects = []
    this.#inOrder = 0
    const befores = [this.#anchor!, ...suspects.map(suspect => suspect.chain)]
    for (const { entry, sequence, chain } of suspects) {
      const fits = (place: number) => {
        const own = digest(entry, place)
        return befores.some(before => link(before, own) === chain)
      }
      let place = fits(sequence) ? sequence : undefined
      if (place === undefined && this.#searches++ < MAX_SEARCHES)
        place = suspects.map(other => other.sequence).find(fits)
      if (place === undefined) this.#problems.push({ kind: 'altered', writer: this.#writer, sequence })
      else if (place === sequence) this.#verified++
      else this.#problems.push({ kind: 'reordered', writer: this.#writer, sequence, belongsAt: place })
    }
  }
}

function digest(entry: ChainEntry, sequence: number): string {
  if (entry.content === undefined) return ''
  if ('digest' in entry.content) return entry.content.digest
  return sequence === entry.sequence
    ? digestOf(entry.content)
    : sha256(storedJson({ ...entry.content, chain: undefined, sequence }))
}

/** One line for a person. */
export function describeProblem(problem: ChainProblem): string {
  const { writer } = problem
  switch (problem.kind) {
    case 'deleted':
      return problem.from === problem.to
        ? `writer ${writer}: event ${problem.from} is gone`
        : `writer ${writer}: events ${problem.from} to ${problem.to} are gone`
    case 'altered':
      return `writer ${writer}: event ${problem.sequence} was altered`
    case 'reordered':
      return `writer ${writer}: event ${problem.belongsAt} was moved to place ${problem.sequence}`
    case 'rewritten':
      return `writer ${writer}: the chain up to event ${problem.sequence} is not the one of its checkpoint`
  }
}
