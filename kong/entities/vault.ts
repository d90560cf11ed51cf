import { defineEntity } from './entity.ts'
import { recordedNames, recordedSchema } from './recorded.ts'
import { checkTag } from './validators.ts'

export type Vault = {
  readonly id: string
  readonly created_at: number
  readonly updated_at: number
  /** What references name: `{vault://<prefix>/…}`. */
  readonly prefix: string
  /** The kind of vault: `env`. */
  readonly name: string
  readonly description: string | null
  readonly config: Readonly<Record<string, unknown>>
  readonly tags: readonly string[] | null
}

export const vault = defineEntity({
  name: 'vaults',
  noun: 'vault',
  endpointKey: 'prefix',
  cacheKey: ['prefix'],
  identity: [['prefix']],
  rules: {
    '': { subschema_key: 'name', subschema_error: "vault '%s' is not installed" },
    'tags.elements': checkTag,
  },
  subschemas: Object.fromEntries(recordedNames('vaults').map(name => [name, recordedSchema('vaults', name)])),
})
