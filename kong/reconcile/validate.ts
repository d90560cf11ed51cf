import { namelessIn } from './files/choosers.ts'
import type { DeclaredState } from './files/declared.ts'
import type { Problem } from './files/problem.ts'
import { chooseSelectTags } from './files/select-tags.ts'
import { maskError } from './mask.ts'
import { type PluginCheck, resolve } from './resolve.ts'
import type { Schemas } from './schemas.ts'

export interface ValidateOptions {
  /** Besides those of the files. */
  readonly selectTags: readonly string[]
  readonly newId: () => string
  readonly checkPlugin?: PluginCheck
}

export interface Validated {
  readonly entities: number
  /** What could not be checked without Kong: plugins that are not known here, references to what is not declared. */
  readonly warnings: readonly Problem[]
  readonly notices: readonly string[]
}

/**
 * Checks declared states without a Kong.
 *
 * @throws SluiceError SLUICE_STATE_INVALID with the place of every mistake.
 */
export function validateState(
  declared: DeclaredState,
  schemas: Schemas,
  options: ValidateOptions,
): Validated {
  const { tags: selectTags, problems } = chooseSelectTags(declared, options.selectTags)
  const all = [...declared.problems, ...problems, ...namelessIn(declared)]
  const state = { ...declared, problems: all }
  try {
    const { warnings } = resolve(
      state,
      { entities: [], schemas },
      { ...options, selectTags, isOffline: true },
    )
    return { entities: declared.entities.length, warnings, notices: declared.notices }
  } catch (error) {
    throw maskError(error, declared.secrets)
  }
}
