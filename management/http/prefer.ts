/** How long a request waits for its change unless told otherwise, and at most. */
export const WAIT_MS = 10_000

export interface Preference {
  readonly waitMs: number
  /** For the header `Preference-Applied`; undefined where nothing was preferred. */
  readonly applied: string | undefined
}

/** Reads the header `Prefer` (RFC 7240): `respond-async`, `wait=n` in seconds. What is not known is ignored. */
export function readPrefer(header: string | string[] | undefined): Preference {
  const preferences = [header ?? []]
    .flat()
    .flatMap(line => line.split(','))
    .map(part => part.trim().toLowerCase())
  const wait = preferences
    .map(part => /^wait\s*=\s*"?(\d{1,5})"?$/.exec(part)?.[1])
    .find(text => text !== undefined)
  if (wait !== undefined) {
    const seconds = Math.min(Number(wait), WAIT_MS / 1_000)
    return { waitMs: seconds * 1_000, applied: `wait=${seconds}` }
  }
  return preferences.includes('respond-async')
    ? { waitMs: 0, applied: 'respond-async' }
    : { waitMs: WAIT_MS, applied: undefined }
}

/** The ETags of a header `If-Match`; undefined where there is none. */
export function readIfMatch(header: string | undefined): readonly string[] | undefined {
  if (header === undefined) return undefined
  // A weak one matches nothing (RFC 9110, 13.1.1).
  return header
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '' && !part.startsWith('W/'))
}
