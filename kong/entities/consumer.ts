import { defineEntity } from './entity.ts'
import { checkTag } from './validators.ts'

export type Consumer = {
  readonly id: string
  readonly created_at: number
  readonly updated_at: number
  readonly username: string | null
  readonly custom_id: string | null
  readonly tags: readonly string[] | null
}

export const consumer = defineEntity({
  name: 'consumers',
  noun: 'consumer',
  endpointKey: 'username',
  identity: [['username'], ['custom_id']],
  rules: { 'tags.elements': checkTag },
})
