import { Type } from '../../foundation/typebox.ts'
import type { EventType } from '../../sdk/event.ts'

/** Entities of Kong that the bootstrap changes, by their names in Kong's schema. */
export const GATEWAY_ENTITIES = [
  'service',
  'route',
  'consumer',
  'consumer_group',
  'plugin',
  'filter_chain',
  'upstream',
  'target',
  'certificate',
  'ca_certificate',
  'sni',
  'vault',
  'key',
  'key_set',
  'acl',
  'keyauth_credential',
  'basicauth_credential',
  'hmacauth_credential',
  'jwt_secret',
  'oauth2_credential',
] as const

const ACTIONS = ['created', 'updated', 'deleted'] as const

const data = Type.Object({
  id: Type.Optional(Type.String({ description: 'id of the entity in Kong' })),
  name: Type.Optional(
    Type.String({ description: 'name, username or path that a person knows it by; never a credential' }),
  ),
  fields: Type.Optional(
    Type.Array(Type.String(), {
      description: 'names of the fields that were set or changed',
    }),
  ),
  actor: Type.Optional(Type.String({ description: 'who ran the bootstrap, or the operator of the manager' })),
  change: Type.Optional(Type.String({ description: 'id of the change in the manager' })),
  reason: Type.Optional(Type.String({ description: 'as the operator gave it' })),
  before: Type.Optional(
    Type.Record(Type.String(), Type.Unknown(), {
      description: 'the entity before the change, secrets masked; not there for a creation',
    }),
  ),
  after: Type.Optional(
    Type.Record(Type.String(), Type.Unknown(), {
      description: 'the entity after the change, secrets masked; not there for a deletion',
    }),
  ),
  undo: Type.Optional(
    Type.Boolean({ description: 'the change took back an earlier one, because a later step had failed' }),
  ),
  admin_url: Type.Optional(Type.String({ description: 'the Admin API, without user information' })),
  select_tag: Type.Optional(Type.String()),
})

/** `gateway.<entity>.created|updated|deleted.v1`, published by `sluice apply` and the manager. */
export const GATEWAY_EVENTS: readonly EventType[] = GATEWAY_ENTITIES.flatMap(entity =>
  ACTIONS.map(action => ({
    type: `gateway.${entity}.${action}.v1`,
    doc: 'The bootstrap or the manager has created, updated or deleted an entity in Kong.',
    data,
  })),
)
