import type { Json } from './schema.ts'

/** A kind of entity, as its pages show it. */
export interface KindView {
  /** Under `/v1/` and in the address. */
  readonly path: string
  /** Name of its schema. */
  readonly schema: string
  readonly noun: string
  readonly title: string
  /** Fields by which a person knows it, the first that is set. */
  readonly shownBy: readonly string[]
  /** Columns of its list behind the name: head and field. */
  readonly columns: readonly (readonly [head: string, text: (row: Json) => unknown])[]
  /** Fields that cannot be changed once it is there. */
  readonly fixed?: readonly string[]
  /** Fields that Kong may fill in with a secret, which is told this once. */
  readonly secrets?: readonly string[]
  /** Kong makes up all that a client has to know of it. */
  readonly rotates?: boolean
  /** Kinds that refer to it, by the field in which they do. */
  readonly children: readonly (readonly [path: string, field: string])[]
}

const field = (name: string) => (row: Json) => row[name]
const address = ({ protocol, host, port, path }: Json) => `${protocol}://${host}:${port}${path ?? ''}`

type Credential = readonly [
  path: string,
  schema: string,
  noun: string,
  shownBy: string,
  secrets?: readonly string[],
]

const CREDENTIALS: readonly Credential[] = [
  ['key-auths', 'keyauth_credentials', 'key', 'id', ['key']],
  ['basic-auths', 'basicauth_credentials', 'basic-auth login', 'username'],
  ['jwts', 'jwt_secrets', 'JWT secret', 'id', ['key', 'secret']],
  ['hmac-auths', 'hmacauth_credentials', 'HMAC secret', 'username', ['secret']],
  ['acls', 'acls', 'ACL group', 'group'],
  ['oauth2', 'oauth2_credentials', 'OAuth 2 application', 'name', ['client_id', 'client_secret']],
]

const MAIN: readonly KindView[] = [
  {
    path: 'services',
    schema: 'services',
    noun: 'service',
    title: 'Services',
    shownBy: ['name', 'host'],
    columns: [
      ['Address', address],
      ['Enabled', field('enabled')],
      ['Tags', field('tags')],
    ],
    children: [
      ['routes', 'service'],
      ['plugins', 'service'],
    ],
  },
  {
    path: 'routes',
    schema: 'routes',
    noun: 'route',
    title: 'Routes',
    shownBy: ['name'],
    columns: [
      ['Paths', field('paths')],
      ['Hosts', field('hosts')],
      ['Methods', field('methods')],
      ['Service', field('service')],
      ['Tags', field('tags')],
    ],
    children: [['plugins', 'route']],
  },
  {
    path: 'consumers',
    schema: 'consumers',
    noun: 'consumer',
    title: 'Consumers',
    shownBy: ['username', 'custom_id'],
    columns: [
      ['Custom id', field('custom_id')],
      ['Tags', field('tags')],
    ],
    children: [...CREDENTIALS.map(([path]) => [path, 'consumer'] as const), ['plugins', 'consumer']],
  },
  {
    path: 'plugins',
    schema: 'plugins',
    noun: 'plugin',
    title: 'Plugins',
    shownBy: ['name'],
    fixed: ['name'],
    columns: [
      ['Instance', field('instance_name')],
      ['Service', field('service')],
      ['Route', field('route')],
      ['Consumer', field('consumer')],
      ['Enabled', field('enabled')],
    ],
    children: [],
  },
  {
    path: 'upstreams',
    schema: 'upstreams',
    noun: 'upstream',
    title: 'Upstreams',
    shownBy: ['name'],
    columns: [
      ['Algorithm', field('algorithm')],
      ['Tags', field('tags')],
    ],
    children: [['targets', 'upstream']],
  },
  {
    path: 'certificates',
    schema: 'certificates',
    noun: 'certificate',
    title: 'Certificates',
    shownBy: ['id'],
    columns: [
      ['Server names', field('snis')],
      ['Tags', field('tags')],
    ],
    children: [['snis', 'certificate']],
  },
]

const INNER: readonly KindView[] = [
  ...CREDENTIALS.map(([path, schema, noun, shownBy, secrets = []]) => ({
    path,
    schema,
    noun,
    title: `${noun[0]?.toUpperCase()}${noun.slice(1)}s`,
    shownBy: [shownBy],
    fixed: ['consumer'],
    secrets,
    // The others have a name that only one may have.
    rotates: ['key-auths', 'jwts', 'oauth2'].includes(path),
    columns: [
      ['Consumer', field('consumer')],
      ['Tags', field('tags')],
    ] as KindView['columns'],
    children: [],
  })),
  {
    path: 'targets',
    schema: 'targets',
    noun: 'target',
    title: 'Targets',
    shownBy: ['target'],
    fixed: ['upstream', 'target'],
    columns: [
      ['Weight', field('weight')],
      ['Tags', field('tags')],
    ],
    children: [],
  },
  {
    path: 'snis',
    schema: 'snis',
    noun: 'server name',
    title: 'Server names',
    shownBy: ['name'],
    columns: [['Certificate', field('certificate')]],
    children: [],
  },
]

/** Those with a list of their own in the navigation. */
export const MAIN_KINDS = MAIN

const ALL: ReadonlyMap<string, KindView> = new Map([...MAIN, ...INNER].map(kind => [kind.path, kind]))

export const kindAt = (path: string | undefined): KindView | undefined =>
  path === undefined ? undefined : ALL.get(path)

/** What a person knows an entity by. */
export function labelOf({ shownBy, noun }: Pick<KindView, 'shownBy' | 'noun'>, row: Json): string {
  const id = `${noun} ${String(row.id ?? '').slice(0, 8)}`
  const named = shownBy.find(name => name !== 'id' && typeof row[name] === 'string' && row[name] !== '')
  return named === undefined ? id : String(row[named])
}
