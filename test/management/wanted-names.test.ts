import assert from 'node:assert/strict'
import type { Operation } from '../../management/changes/operation.ts'
import { wantedNames } from '../../management/changes/wanted-names.ts'

describe('the plugins whose schemas a change needs', () => {
  const operation = (kind: Operation['kind'], body: object, key?: string): Operation => ({
    ...{ action: key === undefined ? 'create' : 'update', kind, body: { ...body }, pointer: '' },
    ...(key !== undefined && { key }),
  })

  it('are those that it names, and those of the plugins that it changes without naming them again', async () => {
    const mirror = {
      find: async (kind: string, key: string) =>
        key === 'known' ? { name: kind === 'plugins' ? 'qos' : 'env' } : undefined,
    }
    const operations = [
      operation('plugins', { name: 'key-auth' }),
      operation('plugins', { config: {} }, 'known'),
      operation('plugins', { config: {} }, 'unknown'),
      operation('vaults', { config: {} }, 'known'),
      operation('services', { name: 'qos' }, 'known'),
    ]
    assert.deepEqual(await wantedNames(operations, mirror), { plugins: ['key-auth', 'qos'], vaults: ['env'] })
  })
})
