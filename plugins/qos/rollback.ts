import type { Undo } from '../../sdk/sdk.ts'

/**
 * Runs an access handler that notes at once how to undo what it does. Where it fails, sheds the request, or finds its
 * event over, that is undone here; else by whoever ends the request behind it.
 */
export async function withRollback(handle: (undos: Undo[]) => Promise<unknown>): Promise<Undo> {
  const undos: Undo[] = []
  const rollBack = () => {
    for (const undo of undos) undo()
  }
  try {
    await handle(undos)
  } catch (reason) {
    rollBack()
    throw reason
  }
  return rollBack
}
