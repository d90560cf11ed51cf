import { defineEntity, type Reference } from './entity.ts'
import { checkTag } from './validators.ts'

export type Acl = {
  readonly id: string
  readonly created_at: number
  readonly consumer: Reference
  readonly group: string
  readonly tags: readonly string[] | null
}

export const acl = defineEntity({
  name: 'acls',
  noun: 'ACL group',
  cacheKey: ['consumer', 'group'],
  identity: [['group', 'consumer']],
  fixed: ['consumer', 'group'],
  shownBy: ['group'],
  rules: { 'tags.elements': checkTag },
})
