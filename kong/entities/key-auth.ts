import type { SchemaSpec } from '../schema/spec.ts'
import { owner, seconds, tags, uuid } from './typedefs.ts'

export const keyAuth: SchemaSpec = {
  name: 'keyauth_credentials',
  ttl: true,
  fields: [
    { id: uuid },
    { created_at: seconds },
    { consumer: owner },
    { key: { type: 'string', required: false, unique: true, auto: true } },
    { tags },
  ],
}
