import { createPublicKey } from 'node:crypto'
import type { SchemaSpec } from '../schema/spec.ts'
import { owner, seconds, tags, uuid } from './typedefs.ts'

const ALGORITHMS = [
  'HS256',
  'HS384',
  'HS512',
  'RS256',
  'RS384',
  'RS512',
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
  'EdDSA',
]

/** Those that Kong does not accept without a public key; it leaves ECDSA out. */
const WITH_PUBLIC_KEY = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'EdDSA']

export const jwt: SchemaSpec = {
  name: 'jwt_secrets',
  fields: [
    { id: uuid },
    { created_at: seconds },
    { consumer: owner },
    { key: { type: 'string', required: false, unique: true, auto: true } },
    { secret: { type: 'string', auto: true } },
    { rsa_public_key: { type: 'string' } },
    { algorithm: { type: 'string', default: 'HS256', one_of: ALGORITHMS } },
    { tags },
  ],
  entity_checks: [
    {
      conditional: {
        if_field: 'algorithm',
        if_match: { match_any: { patterns: WITH_PUBLIC_KEY.map(algorithm => `^${algorithm}$`) } },
        then_field: 'rsa_public_key',
        then_match: {
          required: true,
          custom_validator(key: string) {
            try {
              createPublicKey(key)
              return undefined
            } catch {
              return 'invalid key'
            }
          },
        },
      },
    },
  ],
}
