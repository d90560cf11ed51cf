import type { SchemaSpec } from '../schema/spec.ts'
import { owner, seconds, tags, uuid } from './typedefs.ts'

export const acl: SchemaSpec = {
  name: 'acls',
  fields: [
    { id: uuid },
    { created_at: seconds },
    { consumer: owner },
    { group: { type: 'string', required: true } },
    { tags },
  ],
}
