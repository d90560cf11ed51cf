/** Which fields of a request select an answer. */
import { BoundedMap } from '../../sdk/sdk.ts'

const REMEMBERED = 100_000

/**
 * The fields that select among the answers of a URL: an answer that names others than those before widens the list.
 * `Accept-Encoding` is in every key already.
 */
export function widen(known: readonly string[], names: readonly string[]): readonly string[] {
  const wider = new Set([...known, ...names])
  wider.delete('accept-encoding')
  return [...wider].sort()
}

/** The lists of primary names, as far as this process has learnt them. */
export class VaryLists {
  readonly #lists = new BoundedMap<readonly string[]>(REMEMBERED)

  get(primary: string): readonly string[] {
    return this.#lists.get(primary) ?? NOTHING
  }

  set(primary: string, names: readonly string[]): void {
    if (names.length > 0 || this.#lists.get(primary)) this.#lists.set(primary, names)
  }
}

const NOTHING: readonly string[] = []
