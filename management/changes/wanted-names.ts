import type { WantedNames } from '../schemas.ts'
import type { Operation } from './operation.ts'

/** The plugins and vaults whose schemas operations need. */
export function wantedNames(operations: readonly Operation[]): Required<WantedNames> {
  const namesOf = (kind: string) =>
    operations.flatMap(({ kind: own, body: { name } }) =>
      own === kind && typeof name === 'string' ? [name] : [],
    )
  return { plugins: namesOf('plugins'), vaults: namesOf('vaults') }
}
