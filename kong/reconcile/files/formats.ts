/** The versions of the file format: what 1.1 and 2.1 mean in 3.0. */

export const FORMAT_VERSION = '3.0'

/** Versions of before routes of Kong 3.0, whose regular expressions begin with `~`. */
const OLD = new Set(['1.1', '2.1', '1', '2'])

export type Format = 'current' | 'old' | 'unknown'

/** @param version as in the file: a string, or the number that YAML makes of it without quotes. */
export function formatOf(version: unknown): Format {
  const text = String(version)
  if (/^3(\.\d+)?$/.test(text)) return 'current'
  return OLD.has(text) ? 'old' : 'unknown'
}

/**
 * A path of 1.1 or 2.1 in 3.0: with characters other than those of a URL it was a regular expression, to which Kong
 * 3.9.3 gives a `~` when it reads the file (kong/db/declarative/migrations).
 */
export const convertPath = (path: string): string =>
  path.startsWith('/') && /[^A-Za-z0-9.\-_~/%]/.test(path) ? `~${path}` : path
