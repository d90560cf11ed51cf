import * as fc from 'fast-check'
import { stringify } from 'yaml'

type Item = Record<string, unknown>

/** How many a test tries. */
export const STATES = Number(process.env.SLUICE_TEST_STATES ?? 20)

/** What a random declared state is made of. Few names, so that two states share many of them. */
export interface RandomState {
  readonly yaml: string
}

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i}`)

const some = <T>(items: fc.Arbitrary<T>, key: (item: T) => unknown, maxLength = 3) =>
  fc.uniqueArray(items, { maxLength, selector: key })

const plugin = fc.oneof(
  fc.record({
    name: fc.constant('key-auth'),
    config: fc.record(
      { key_names: fc.constantFrom(['apikey'], ['k', 'l']), hide_credentials: fc.boolean() },
      { requiredKeys: [] },
    ),
  }),
  fc.record({
    name: fc.constant('request-termination'),
    config: fc.record({ status_code: fc.constantFrom(403, 503), message: fc.constantFrom('a', 'b') }),
  }),
  fc.record({ name: fc.constant('correlation-id') }),
)
const plugins = some(plugin, item => item.name, 2)

const route = (prefix: string) =>
  fc.record(
    {
      name: fc.constantFrom(...names(`${prefix}r`, 4)),
      paths: fc.uniqueArray(fc.constantFrom('/a', '/b', '/c'), { minLength: 1, maxLength: 2 }),
      strip_path: fc.boolean(),
      plugins,
    },
    { requiredKeys: ['name', 'paths'] },
  )

const service = (prefix: string) =>
  fc.record(
    {
      name: fc.constantFrom(...names(`${prefix}s`, 3)),
      host: fc.constantFrom('one.test', 'two.test'),
      port: fc.constantFrom(80, 8080),
      retries: fc.constantFrom(0, 5),
      tags: fc.constantFrom(['x'], ['x', 'y'], ['y', 'x']),
      routes: some(route(prefix), item => item.name),
      plugins,
    },
    { requiredKeys: ['name', 'host'] },
  )

/** Keys and user names are shared among consumers, so that credentials move from one to another. */
const consumer = (prefix: string) =>
  fc.record(
    {
      username: fc.constantFrom(...names(`${prefix}c`, 3)),
      custom_id: fc.constantFrom(...names(`${prefix}id`, 3)),
      keyauth_credentials: some(
        fc.record({ key: fc.constantFrom(...names(`${prefix}k`, 3)) }),
        item => item.key,
        2,
      ),
      basicauth_credentials: some(
        fc.record({
          username: fc.constantFrom(...names(`${prefix}u`, 2)),
          password: fc.constantFrom('p1', 'p2'),
        }),
        item => item.username,
        1,
      ),
      acls: some(fc.record({ group: fc.constantFrom('g1', 'g2') }), item => item.group),
    },
    { requiredKeys: ['username'] },
  )

const upstream = (prefix: string) =>
  fc.record({
    name: fc.constantFrom(...names(`${prefix}up`, 2)),
    slots: fc.constantFrom(100, 10_000),
    targets: some(
      fc.record({ target: fc.constantFrom('10.0.0.1:80', '10.0.0.2'), weight: fc.constantFrom(0, 100) }),
      item => item.target,
      2,
    ),
  })

/** A state that Kong accepts. States with different prefixes share no name. */
export const randomState = (prefix: string): fc.Arbitrary<RandomState> =>
  fc
    .record({
      services: some(service(prefix), item => item.name),
      consumers: some(consumer(prefix), item => item.username),
      upstreams: some(upstream(prefix), item => item.name, 2),
    })
    .map(state => ({ yaml: stringify({ _format_version: '3.0', ...withoutTwins(state) }) }))

/** Names of routes and credentials are unique over the whole state, not only beneath their parents. */
function withoutTwins(state: {
  services: readonly Item[]
  consumers: readonly Item[]
  upstreams: readonly Item[]
}) {
  const seen = new Set<string>()
  const first = (items: unknown, kind: string, field: string): Item[] =>
    ((items ?? []) as Item[]).filter(item => {
      const key = `${kind}:${String(item[field])}`
      return !seen.has(key) && seen.add(key)
    })
  return {
    services: state.services.map(item => ({ ...item, routes: first(item.routes, 'route', 'name') })),
    consumers: state.consumers.map(({ custom_id, ...item }) => ({
      ...item,
      ...(custom_id !== undefined && first([{ custom_id }], 'custom', 'custom_id')[0]),
      keyauth_credentials: first(item.keyauth_credentials, 'key', 'key'),
      basicauth_credentials: first(item.basicauth_credentials, 'basic', 'username'),
    })),
    upstreams: state.upstreams,
  }
}
