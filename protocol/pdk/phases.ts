/**
 * The phases of Kong, and sets of them: Kong's own phase checks at 3.9.3, and where more fails than the checks say,
 * what a real Kong answered (`test/contract`): in `certificate`, where nginx has no variables yet, and in `log`, which
 * runs in a timer.
 */

/** The phases that a plugin server can serve. */
export type Phase = 'certificate' | 'rewrite' | 'access' | 'response' | 'preread' | 'log'

export const PHASES: readonly Phase[] = ['certificate', 'rewrite', 'access', 'response', 'preread', 'log']

export function isPhase(name: string): name is Phase {
  return (PHASES as readonly string[]).includes(name)
}

export const EVERYWHERE = ['certificate', 'rewrite', 'access', 'response', 'preread', 'log'] as const
export const WITH_VARIABLES = ['rewrite', 'access', 'response', 'preread'] as const
export const REQUEST = ['rewrite', 'access', 'response'] as const
export const REQUEST_AND_LOG = ['rewrite', 'access', 'response', 'log'] as const
export const FROM_ACCESS = ['access', 'response', 'log'] as const
export const FROM_ACCESS_WITH_VARIABLES = ['access', 'response'] as const
export const TO_UPSTREAM = ['rewrite', 'access'] as const
export const ACCESS = ['access'] as const
export const ANSWERED = ['response', 'log'] as const
export const RESPONSE = ['response'] as const
