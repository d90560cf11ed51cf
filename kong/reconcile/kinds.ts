/** The kinds of entities that can be declared, parents before children. The names are Kong's own. */
export const KIND_NAMES = [
  'ca_certificates',
  'certificates',
  'vaults',
  'key_sets',
  'services',
  'upstreams',
  'consumers',
  'snis',
  'keys',
  'routes',
  'targets',
  'plugins',
  'filter_chains',
  'keyauth_credentials',
  'basicauth_credentials',
  'hmacauth_credentials',
  'jwt_secrets',
  'oauth2_credentials',
  'acls',
] as const

export type KindName = (typeof KIND_NAMES)[number]

export interface Kind {
  readonly name: KindName
  /** For people. */
  readonly noun: string
  /** As it stands in the names of events. */
  readonly event: string
  /** Collection in the Admin API. */
  readonly path: string
  /**
   * Fields that say which entity is meant, the first that is filled in counts. Several fields count together, and
   * then a null is a value like any other.
   */
  readonly identity: readonly (readonly string[])[]
  /** Values that Kong keeps unique, in the same form. */
  readonly unique: readonly (readonly string[])[]
  /** Fields that cannot be changed: another value is another entity. */
  readonly fixed: readonly string[]
  /** Fields that are never shown. */
  readonly secrets: readonly string[]
  /** What a person knows it by; never a credential. */
  readonly shownBy: readonly string[]
  /** Fields that Kong takes in one request only: it hashes the first with the help of the second. */
  readonly together?: readonly [string, string]
  /** Other entities that it refers to, as `{ id }`. */
  readonly references: readonly { readonly field: string; readonly to: KindName }[]
  /** Reached only through the entity in this field. */
  readonly within?: string
  /** Fields of the Admin API's body that are not part of the entity. */
  readonly writeOnly?: readonly string[]
}

type Facts = Partial<Omit<Kind, 'name' | 'noun' | 'path'>>

const to = (field: string, kind: KindName) => ({ field, to: kind })

function kind(
  name: KindName,
  noun: string,
  path: string,
  identity: Kind['identity'],
  facts: Facts = {},
): Kind {
  return {
    name,
    noun,
    event: name.replace(/s$/, ''),
    path,
    identity,
    unique: identity,
    references: [],
    fixed: [],
    secrets: [],
    shownBy: identity[0] ?? [],
    ...facts,
  }
}

/** A credential belongs to its consumer for good. */
const credential = (name: KindName, noun: string, path: string, key: string, facts: Facts): Kind =>
  kind(name, noun, path, [[key]], {
    references: [to('consumer', 'consumers')],
    fixed: ['consumer'],
    shownBy: [],
    ...facts,
  })

const ALL: readonly Kind[] = [
  // Certificates have no name: the same PEM text is the same certificate.
  kind('ca_certificates', 'CA certificate', 'ca_certificates', [['cert']], { shownBy: [] }),
  kind('certificates', 'certificate', 'certificates', [['cert']], {
    unique: [],
    secrets: ['key', 'key_alt'],
    shownBy: [],
    writeOnly: ['snis'],
  }),
  kind('vaults', 'vault', 'vaults', [['prefix']]),
  kind('key_sets', 'key set', 'key-sets', [['name']]),
  kind('services', 'service', 'services', [['name']], {
    references: [to('client_certificate', 'certificates')],
  }),
  kind('upstreams', 'upstream', 'upstreams', [['name']], {
    references: [to('client_certificate', 'certificates')],
  }),
  kind('consumers', 'consumer', 'consumers', [['username'], ['custom_id']]),
  kind('snis', 'SNI', 'snis', [['name']], { references: [to('certificate', 'certificates')] }),
  kind('keys', 'key', 'keys', [['name'], ['kid', 'set']], {
    references: [to('set', 'key_sets')],
    secrets: ['jwk', 'pem'],
    shownBy: ['name', 'kid'],
  }),
  kind('routes', 'route', 'routes', [['name']], { references: [to('service', 'services')] }),
  kind('targets', 'target', 'targets', [['target', 'upstream']], {
    references: [to('upstream', 'upstreams')],
    fixed: ['upstream', 'target'],
    shownBy: ['target'],
    within: 'upstream',
  }),
  kind('plugins', 'plugin', 'plugins', [['name', 'service', 'route', 'consumer']], {
    references: [to('service', 'services'), to('route', 'routes'), to('consumer', 'consumers')],
    unique: [['name', 'service', 'route', 'consumer'], ['instance_name']],
    fixed: ['name'],
    shownBy: ['name'],
  }),
  kind('filter_chains', 'filter chain', 'filter-chains', [['name'], ['service'], ['route']], {
    references: [to('service', 'services'), to('route', 'routes')],
  }),
  credential('keyauth_credentials', 'key-auth credential', 'key-auths', 'key', {
    secrets: ['key'],
    writeOnly: ['ttl'],
  }),
  credential('basicauth_credentials', 'basic-auth credential', 'basic-auths', 'username', {
    secrets: ['password'],
    shownBy: ['username'],
    together: ['password', 'consumer'],
  }),
  credential('hmacauth_credentials', 'hmac-auth credential', 'hmac-auths', 'username', {
    secrets: ['secret'],
    shownBy: ['username'],
  }),
  credential('jwt_secrets', 'JWT credential', 'jwts', 'key', { secrets: ['key', 'secret'] }),
  credential('oauth2_credentials', 'OAuth 2 application', 'oauth2', 'client_id', {
    secrets: ['client_id', 'client_secret'],
    shownBy: ['name'],
    together: ['client_secret', 'hash_secret'],
    writeOnly: ['ttl'],
  }),
  kind('acls', 'ACL group', 'acls', [['group', 'consumer']], {
    references: [to('consumer', 'consumers')],
    fixed: ['consumer', 'group'],
    shownBy: ['group'],
  }),
]

export const KINDS = Object.fromEntries(ALL.map(entry => [entry.name, entry])) as Readonly<
  Record<KindName, Kind>
>

export const isKindName = (name: string): name is KindName => (KIND_NAMES as readonly string[]).includes(name)

/** The kinds that fields of references lead to: a field means the same in every kind. */
export const PARENTS_OF: ReadonlyMap<string, KindName> = new Map(
  ALL.flatMap(({ references }) => references.map(({ field, to: kind }) => [field, kind] as const)),
)

/** The field by which an entity refers to the one beneath which it stands in a file; undefined where it cannot. */
export const nestingField = (outer: KindName, inner: KindName): string | undefined =>
  KINDS[inner].references.find(({ field, to: kind }) => kind === outer && field !== 'client_certificate')
    ?.field

export const hasReference = (kind: KindName, field: string): boolean =>
  KINDS[kind].references.some(reference => reference.field === field)
