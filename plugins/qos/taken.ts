import type { Undo } from '../../sdk/sdk.ts'

/**
 * Runs an access handler that notes at once how to give back what it takes. Where it fails, sheds the request, or
 * finds its event over, that is given back here; else by whoever ends the request behind it.
 */
export async function givingBack(handle: (taken: Undo[]) => Promise<unknown>): Promise<Undo> {
  const taken: Undo[] = []
  const giveBack = () => {
    for (const undo of taken) undo()
  }
  try {
    await handle(taken)
  } catch (reason) {
    giveBack()
    throw reason
  }
  return giveBack
}
