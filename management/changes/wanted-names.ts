import { mapAtOnce } from '../../kong/admin/at-once.ts'
import type { WantedNames } from '../schemas.ts'
import type { Operation } from './operation.ts'
import type { Source } from './source.ts'

/**
 * The plugins and vaults whose schemas operations need. One that is changed need not be named again, and this process
 * may not have met it yet.
 */
export async function wantedNames(
  operations: readonly Operation[],
  mirror: Pick<Source, 'find'>,
): Promise<Required<WantedNames>> {
  const namesOf = async (kind: 'plugins' | 'vaults') => {
    const names = await mapAtOnce(
      operations.filter(operation => operation.kind === kind),
      async ({ body, key }) => body.name ?? (key && (await mirror.find(kind, key))?.name),
    )
    return names.filter(name => typeof name === 'string')
  }
  return { plugins: await namesOf('plugins'), vaults: await namesOf('vaults') }
}
