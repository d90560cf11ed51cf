import { isUuid } from '../../foundation/uuid.ts'

/** Stands where something was hidden. */
export const HIDDEN = '(hidden)'

/** A long run that mixes letters and digits: the look of keys and tokens. */
const TOKEN = /^(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9_\-.~+=:]{16,}$/

/** Replaces every given secret. */
export function conceal(text: string, secrets: readonly string[]): string {
  return secrets.reduce((shown, secret) => shown.replaceAll(secret, HIDDEN), text)
}

/**
 * A path with every segment hidden that could hold a key: one in which a secret of the request occurs, however it
 * is encoded, one that is not UTF-8 (nothing can be said about it) and, unless `full`, one that looks like a key. A
 * UUID is an id, not a key.
 */
export function concealPath(path: string, secrets: readonly string[], mode: 'masked' | 'full'): string {
  return path
    .split('/')
    .map(segment => {
      const plain = decode(segment)
      if (plain === undefined || secrets.some(secret => plain.includes(secret) || segment.includes(secret)))
        return HIDDEN
      return mode === 'masked' && TOKEN.test(plain) && !isUuid(plain) ? HIDDEN : segment
    })
    .join('/')
}

function decode(segment: string): string | undefined {
  if (segment.includes('\ufffd')) return undefined
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}
