import type { SchemaSpec } from '../schema/spec.ts'
import { seconds, tags, uuid } from './typedefs.ts'

export const consumer: SchemaSpec = {
  name: 'consumers',
  fields: [
    { id: uuid },
    { created_at: seconds },
    { updated_at: seconds },
    { username: { type: 'string', unique: true } },
    { custom_id: { type: 'string', unique: true } },
    { tags },
  ],
  entity_checks: [{ at_least_one_of: ['custom_id', 'username'] }],
}
