import { useState } from 'preact/hooks'
import type { Resource } from './hooks.ts'
import { Trouble } from './notice.tsx'

/** A piece of a list, the newest first. */
interface Piece<T> {
  readonly data: readonly T[]
  /** Where the next piece begins. */
  readonly next: string | null
}

interface Read<T> {
  readonly key: string
  readonly pieces: readonly Piece<T>[]
}

/**
 * A list that goes on where somebody asks for older ones.
 *
 * @param key another one is another list
 * @param found its first piece, which may be read again
 */
export function useOlder<T>(
  key: string,
  { value: first, isLoading }: Resource<Piece<T>>,
  read: (next: string) => Promise<Piece<T>>,
) {
  const [older, setOlder] = useState<Read<T>>({ key, pieces: [] })
  const [error, setError] = useState<Error>()
  const pieces = older.key === key ? older.pieces : []
  const next = isLoading ? null : (pieces.at(-1) ?? first)?.next
  const goOn = (from: string) =>
    read(from).then(piece => {
      setError(undefined)
      // A second click brings nothing twice, and what was asked of another list is not of this one.
      setOlder(now => (now === older ? { key, pieces: [...pieces, piece] } : now))
    }, setError)
  const rows = [first, ...pieces].flatMap(piece => piece?.data ?? [])
  return {
    rows,
    /** It is read, and holds nothing. */
    isEmpty: first !== undefined && !isLoading && rows.length === 0,
    /** Nothing older is in sight: the first piece may change. */
    isFirst: pieces.length === 0,
    more: (
      <>
        <Trouble error={error} />
        {next && (
          <button type="button" onClick={() => void goOn(next)}>
            Show older ones
          </button>
        )}
      </>
    ),
  }
}
