import { createHash } from 'node:crypto'
import type { SchemaSpec } from '../schema/spec.ts'
import { owner, seconds, tags, uuid } from './typedefs.ts'

export const basicAuth: SchemaSpec = {
  name: 'basicauth_credentials',
  fields: [
    { id: uuid },
    { created_at: seconds },
    { consumer: owner },
    { username: { type: 'string', required: true, unique: true } },
    { password: { type: 'string', required: true, encrypted: true } },
    { tags },
  ],
  transformations: [{ input: ['password'], needs: ['consumer.id'] }],
}

/** How Kong stores a password: SHA-1, in hex, of the password followed by the id of its consumer. */
export function hashPassword(password: string, consumerId: string): string {
  return createHash('sha1').update(password).update(consumerId).digest('hex')
}
