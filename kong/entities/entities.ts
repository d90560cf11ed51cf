import { type Acl, acl } from './acl.ts'
import { type AcmeStorage, acmeStorage } from './acme-storage.ts'
import { type BasicAuthCredential, basicAuth } from './basic-auth.ts'
import { type CaCertificate, caCertificate } from './ca-certificate.ts'
import { type Certificate, certificate } from './certificate.ts'
import { type Consumer, consumer } from './consumer.ts'
import type { EntityDefinition } from './entity.ts'
import { type FilterChain, filterChain } from './filter-chain.ts'
import { type HmacAuthCredential, hmacAuth } from './hmac-auth.ts'
import { type JwtSecret, jwt } from './jwt.ts'
import { type Key, key } from './key.ts'
import { type KeyAuthCredential, keyAuth } from './key-auth.ts'
import { type KeySet, keySet } from './key-set.ts'
import { type OAuth2Credential, oauth2Credential } from './oauth2-credential.ts'
import { type OAuth2Token, oauth2Token } from './oauth2-token.ts'
import { type Plugin, plugin } from './plugin.ts'
import { type Route, route } from './route.ts'
import { type Service, service } from './service.ts'
import { type Session, session } from './session.ts'
import { type Sni, sni } from './sni.ts'
import { type Target, target } from './target.ts'
import { type Upstream, upstream } from './upstream.ts'
import { type Vault, vault } from './vault.ts'

export type { EntityDefinition, Reference } from './entity.ts'
/**
 * The entities of Kong's Admin API, as they stand in its JSON: every field is there, null where it is not set. Times
 * are whole seconds since the epoch, but for targets, whose times have fractions. Each kind is one file.
 */
export type {
  Acl,
  AcmeStorage,
  BasicAuthCredential,
  CaCertificate,
  Certificate,
  Consumer,
  FilterChain,
  HmacAuthCredential,
  JwtSecret,
  Key,
  KeyAuthCredential,
  KeySet,
  OAuth2Credential,
  OAuth2Token,
  Plugin,
  Route,
  Service,
  Session,
  Sni,
  Target,
  Upstream,
  Vault,
}

/** Every collection by the name that Kong's schemas give it, which is also its name in a declarative file. */
export interface Entities {
  readonly ca_certificates: CaCertificate
  readonly certificates: Certificate
  readonly vaults: Vault
  readonly key_sets: KeySet
  readonly upstreams: Upstream
  readonly services: Service
  readonly consumers: Consumer
  readonly snis: Sni
  readonly keys: Key
  readonly routes: Route
  readonly targets: Target
  readonly plugins: Plugin
  readonly filter_chains: FilterChain
  readonly keyauth_credentials: KeyAuthCredential
  readonly basicauth_credentials: BasicAuthCredential
  readonly hmacauth_credentials: HmacAuthCredential
  readonly jwt_secrets: JwtSecret
  readonly oauth2_credentials: OAuth2Credential
  readonly oauth2_tokens: OAuth2Token
  readonly acls: Acl
  readonly sessions: Session
  readonly acme_storage: AcmeStorage
}

export type Collection = keyof Entities

export type Entity<C extends Collection = Collection> = Entities[C]

/** Parents before children: the order in which a whole state can be written without a dangling reference. */
const ALL = [
  caCertificate,
  certificate,
  vault,
  keySet,
  upstream,
  service,
  consumer,
  sni,
  key,
  route,
  target,
  plugin,
  filterChain,
  keyAuth,
  basicAuth,
  hmacAuth,
  jwt,
  oauth2Credential,
  oauth2Token,
  acl,
  session,
  acmeStorage,
] as const satisfies readonly EntityDefinition<Collection>[]

export const DEFINITIONS: readonly EntityDefinition<Collection>[] = ALL

export const COLLECTIONS: readonly Collection[] = ALL.map(({ name }) => name)

/** The definition of each kind by its name. */
export const ENTITIES = Object.fromEntries(ALL.map(entity => [entity.name, entity])) as Readonly<
  Record<Collection, EntityDefinition<Collection>>
>

export const isCollection = (name: string): name is Collection => Object.hasOwn(ENTITIES, name)
