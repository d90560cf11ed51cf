import { createSchema, type Schema } from '../schema/schema.ts'
import type { SchemaSpec } from '../schema/spec.ts'
import { acl } from './acl.ts'
import { basicAuth } from './basic-auth.ts'
import { consumer } from './consumer.ts'
import type { Collection } from './entities.ts'
import { jwt } from './jwt.ts'
import { keyAuth } from './key-auth.ts'
import { plugin } from './plugin.ts'
import { route, routeSubschemas } from './route.ts'
import { service } from './service.ts'
import { target } from './target.ts'
import { upstream } from './upstream.ts'

/** What the Admin API must know of a collection besides its schema. */
export interface CollectionInfo {
  /** Its path: `/key-auths`; and beneath the entity it belongs to: `/consumers/jason/key-auth`. */
  readonly path: string
  readonly nestedPath: string
  /** The field that may stand in a path instead of the id. */
  readonly endpointKey?: string
  /** Fields that are unique by themselves, in the order in which the database complains of them. */
  readonly unique: readonly string[]
  /** Fields that are unique taken together. */
  readonly uniqueTogether?: readonly string[]
}

export const COLLECTION_INFO: Readonly<Record<Collection, CollectionInfo>> = {
  services: { path: 'services', nestedPath: 'services', endpointKey: 'name', unique: ['name'] },
  routes: { path: 'routes', nestedPath: 'routes', endpointKey: 'name', unique: ['name'] },
  consumers: {
    path: 'consumers',
    nestedPath: 'consumers',
    endpointKey: 'username',
    unique: ['username', 'custom_id'],
  },
  plugins: {
    path: 'plugins',
    nestedPath: 'plugins',
    endpointKey: 'instance_name',
    unique: ['instance_name'],
    uniqueTogether: ['name', 'route', 'service', 'consumer'],
  },
  keyauth_credentials: { path: 'key-auths', nestedPath: 'key-auth', endpointKey: 'key', unique: ['key'] },
  basicauth_credentials: {
    path: 'basic-auths',
    nestedPath: 'basic-auth',
    endpointKey: 'username',
    unique: ['username'],
  },
  jwt_secrets: { path: 'jwts', nestedPath: 'jwt', endpointKey: 'key', unique: ['key'] },
  acls: { path: 'acls', nestedPath: 'acls', unique: [], uniqueTogether: ['consumer', 'group'] },
  upstreams: { path: 'upstreams', nestedPath: 'upstreams', endpointKey: 'name', unique: ['name'] },
  targets: {
    path: 'targets',
    nestedPath: 'targets',
    endpointKey: 'target',
    unique: [],
    uniqueTogether: ['upstream', 'target'],
  },
}

export type EntitySchemas = Readonly<Record<Collection, Schema>>

/** Builds the schemas of all entities, with the plugins that may be configured. */
export function createEntitySchemas(plugins: Readonly<Record<string, SchemaSpec>>): EntitySchemas {
  const lookup = (name: string): Schema | undefined => schemas[name as Collection]
  const build = (spec: SchemaSpec, subschemas: Readonly<Record<string, SchemaSpec>> = {}) =>
    createSchema(spec, subschemas, lookup)
  const schemas: EntitySchemas = {
    services: build(service),
    routes: build(route, routeSubschemas),
    consumers: build(consumer),
    plugins: build(plugin, plugins),
    keyauth_credentials: build(keyAuth),
    basicauth_credentials: build(basicAuth),
    jwt_secrets: build(jwt),
    acls: build(acl),
    upstreams: build(upstream),
    targets: build(target),
  }
  return schemas
}
