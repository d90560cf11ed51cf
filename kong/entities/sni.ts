import { defineEntity, type Reference } from './entity.ts'
import { checkTag, checkWildcardName } from './validators.ts'

export type Sni = {
  readonly id: string
  readonly created_at: number
  readonly updated_at: number
  /** A server name; `*` may stand at its start or its end. */
  readonly name: string
  readonly certificate: Reference
  readonly tags: readonly string[] | null
}

export const sni = defineEntity({
  name: 'snis',
  noun: 'SNI',
  endpointKey: 'name',
  identity: [['name']],
  goesWith: ['certificate'],
  rules: { name: checkWildcardName, 'tags.elements': checkTag },
})
