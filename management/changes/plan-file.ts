import { SluiceError } from '../../foundation/errors.ts'
import type { AdminClient } from '../../kong/admin/client.ts'
import { readDeclared } from '../../kong/reconcile/files/declared.ts'
import type { Problem as Mistake } from '../../kong/reconcile/files/problem.ts'
import { readSource } from '../../kong/reconcile/files/source.ts'
import { planState } from '../../kong/reconcile/plan.ts'
import type { Schemas } from '../../kong/reconcile/schemas.ts'
import { Problem } from '../http/problem.ts'
import { UNSTORABLE, unstorableIn } from '../http/storable.ts'
import type { Planned } from './planner.ts'

/** What a file in decK's format stands as in messages. */
const NAME = 'file'

/**
 * What a file in decK's format means for Kong. All of Kong is read.
 *
 * @throws Problem with the line and column of each mistake; for what is somebody else's.
 */
export async function planFile(
  client: AdminClient,
  { text, selectTags }: { readonly text: string; readonly selectTags: readonly string[] },
  newId: () => string,
): Promise<Planned & { readonly schemas: Schemas }> {
  try {
    const declared = readDeclared([readSource(text, NAME, {})])
    const { steps, current } = await planState(client, declared, { selectTags, newId })
    if (steps.some(({ change }) => unstorableIn(change.body).length > 0))
      throw new Problem('SLUICE_MANAGER_INVALID', `the file holds text of which ${UNSTORABLE}`)
    return { steps, targets: [], faults: [], schemas: current.schemas }
  } catch (error) {
    if (isTooDeep(error))
      throw new Problem('SLUICE_MANAGER_INVALID', 'the file is nested too deeply, or has too many aliases', {
        cause: error,
      })
    throw error instanceof SluiceError ? toProblem(error) : error
  }
}

/** What the reader of YAML throws, which goes a call deeper with each level. */
const isTooDeep = (error: unknown): boolean =>
  error instanceof RangeError || (error instanceof ReferenceError && /alias/i.test(error.message))

function toProblem(error: SluiceError): SluiceError {
  if (error.code === 'SLUICE_APPLY_REFUSED') return new Problem('SLUICE_MANAGER_CONFLICT', error.message)
  if (error.code !== 'SLUICE_STATE_INVALID') return error
  const mistakes = (error.details.problems ?? []) as readonly Mistake[]
  const faults = mistakes.map(({ position, text }) => ({
    pointer: `line ${position.line}, column ${position.column}`,
    code: 'invalid',
    detail: text,
  }))
  return new Problem(
    'SLUICE_MANAGER_INVALID',
    faults.length > 0 ? `${faults.length} mistakes in the file` : error.message,
    { faults },
  )
}
