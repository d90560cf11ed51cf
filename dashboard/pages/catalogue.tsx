import { listEntities } from '../api/entities.ts'
import { isObject, type Json } from '../model/schema.ts'
import { useResource } from '../parts/hooks.ts'
import { Link } from '../parts/link.tsx'
import { Badge, Empty } from '../parts/notice.tsx'
import { Page } from '../parts/page.tsx'
import { Table } from '../parts/table.tsx'

const MOST = '1000'
const AUTH = /auth|jwt|oauth2|session/
const LIMIT = /^qos$|rate-?limiting|^sluice$/

interface Api {
  readonly service: Json
  readonly routes: readonly Json[]
  readonly plugins: readonly string[]
}

/** The services that can be called: those that are enabled and have a route. */
export function CataloguePage() {
  const apis = useResource('catalogue', readApis)
  const { value } = apis
  return (
    <Page
      title="Catalogue"
      of={apis}
      lead="The APIs that this gateway offers: services that are enabled and have a route."
    >
      {value?.length === 0 && (
        <Empty>
          No API yet. <a href="#/publish">Publish one</a>
        </Empty>
      )}
      {value && value.length > 0 && (
        <Table<Api>
          label="APIs"
          rows={value}
          keyOf={({ service }) => String(service.id)}
          columns={[
            {
              head: 'API',
              cell: ({ service }) => (
                <Link to={['services', String(service.id)]}>{String(service.name ?? service.host)}</Link>
              ),
            },
            { head: 'Paths', cell: api => fieldOf(api, 'paths') || 'all' },
            { head: 'Hosts', cell: api => fieldOf(api, 'hosts') || 'all' },
            { head: 'Methods', cell: api => fieldOf(api, 'methods') || 'all' },
            {
              head: 'Authentication',
              cell: ({ plugins }) => named(plugins, AUTH) ?? <Badge tone="warning">none</Badge>,
            },
            {
              head: 'Limits',
              cell: ({ plugins }) => named(plugins, LIMIT) ?? <span class="muted">none</span>,
            },
          ]}
        />
      )}
    </Page>
  )
}

const named = (plugins: readonly string[], pattern: RegExp): string | undefined => {
  const found = plugins.filter(name => pattern.test(name) && name !== 'key-auth-audit')
  return found.length > 0 ? found.join(', ') : undefined
}

const fieldOf = ({ routes }: Api, name: string): string =>
  [...new Set(routes.flatMap(route => (Array.isArray(route[name]) ? (route[name] as string[]) : [])))].join(
    ', ',
  )

const refersTo = (row: Json, field: string, id: unknown): boolean => {
  const reference = row[field]
  return isObject(reference) && reference.id === id
}

async function readApis(signal: AbortSignal): Promise<readonly Api[]> {
  const [services, routes, plugins] = await Promise.all(
    ['services', 'routes', 'plugins'].map(
      async path => (await listEntities(path, { size: MOST }, signal)).data,
    ),
  )
  const isGlobal = ({ service, route, consumer }: Json) => !service && !route && !consumer
  return (services ?? [])
    .filter(({ enabled }) => enabled !== false)
    .map(service => {
      const own = (routes ?? []).filter(route => refersTo(route, 'service', service.id))
      const inForce = (plugins ?? []).filter(
        plugin =>
          plugin.enabled !== false &&
          (isGlobal(plugin) ||
            refersTo(plugin, 'service', service.id) ||
            own.some(route => refersTo(plugin, 'route', route.id))),
      )
      return { service, routes: own, plugins: [...new Set(inForce.map(({ name }) => String(name)))] }
    })
    .filter(({ routes: own }) => own.length > 0)
}
