import { LARGEST_SKEW_S, LONGEST_LIFE_S } from './config.ts'
import type { SigningKey } from './signing-key.ts'

export interface KeyState {
  readonly kid: string
  /** `next`: published, does not sign yet. `old`: signs no more, its tokens are still accepted. */
  readonly state: 'next' | 'signing' | 'old'
  /** Seconds since the epoch. */
  readonly notBefore: number
  /** When the last token of an old key has expired, seconds since the epoch; the next rotation removes it then. */
  readonly until: number | undefined
}

/** @param keys the first to sign first. */
export function keyStates(keys: readonly SigningKey[], now: number): readonly KeyState[] {
  const signing = Math.max(
    0,
    keys.findLastIndex(key => key.notBefore <= now),
  )
  return keys.map(({ kid, notBefore }, index) => {
    const successor = keys[index + 1]
    const isOld = index < signing && successor !== undefined
    return {
      kid,
      state: index === signing ? 'signing' : isOld ? 'old' : 'next',
      notBefore,
      until: isOld ? acceptedUntil(successor.notBefore) : undefined,
    }
  })
}

/** @param successorFrom when the next key began to sign, seconds since the epoch. */
export const acceptedUntil = (successorFrom: number): number =>
  successorFrom + LONGEST_LIFE_S + LARGEST_SKEW_S
