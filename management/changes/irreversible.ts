import type { Step } from '../../kong/reconcile/steps/steps.ts'
import { Problem } from '../http/problem.ts'

export const isIrreversible = ({ irreversible }: Step): boolean => irreversible !== undefined

/** @throws Problem that names each step that could not be undone, where there is one. */
export function refuseIrreversible(steps: readonly Step[]): void {
  if (steps.length === 0) return
  throw new Problem(
    'SLUICE_MANAGER_INVALID',
    'the change holds what could not be undone; ?irreversible=accept makes it all the same',
    {
      faults: steps.map(({ change, irreversible }) => ({
        pointer: '',
        code: 'irreversible',
        detail: `${change.label}: ${irreversible}`,
      })),
    },
  )
}
