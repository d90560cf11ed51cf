import { defineEntity } from './entity.ts'
import { checkTag } from './validators.ts'

export type KeySet = {
  readonly id: string
  readonly created_at: number
  readonly updated_at: number
  readonly name: string | null
  readonly tags: readonly string[] | null
}

export const keySet = defineEntity({
  name: 'key_sets',
  noun: 'key set',
  path: 'key-sets',
  endpointKey: 'name',
  identity: [['name']],
  rules: { 'tags.elements': checkTag },
})
