import type { Tone } from './notice.tsx'

/** The states of a change in words. */
export const WORD_OF_CHANGE: Readonly<Record<string, string>> = {
  validated: 'Waiting',
  refused: 'Refused',
  applying: 'Applying',
  applied: 'Applied',
  undoing: 'Undoing',
  settling: 'Checking the undo',
  undone: 'Failed and undone',
  stuck: 'Stuck',
}

export function toneOfChange(state: string): Tone {
  if (state === 'applied') return 'good'
  if (state === 'stuck' || state === 'refused') return 'bad'
  return state === 'undone' || state === 'undoing' || state === 'settling' ? 'warning' : 'plain'
}
