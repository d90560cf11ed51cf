import { DEFINITIONS, ENTITIES } from '../../entities/entities.ts'
import { RELATIONS } from './relations.ts'

/** Kong's paths besides those of the entities, its plugins' included. */
const OTHER_PATHS = [
  '/',
  '/acme',
  '/acme/certificates',
  '/acme/certificates/{certificates}',
  '/cache',
  '/cache/{key}',
  '/clustering/data-planes',
  '/clustering/status',
  '/config',
  '/debug/cluster/log-level/{log_level}',
  '/debug/node/log-level',
  '/debug/node/log-level/{log_level}',
  '/endpoints',
  '/metrics',
  '/plugins/enabled',
  '/plugins/schema/{name}',
  '/proxy-cache',
  '/proxy-cache/{cache_key}',
  '/proxy-cache/{plugin_id}/caches/{cache_key}',
  '/routes/{routes}/filters/all',
  '/routes/{routes}/filters/disabled',
  '/routes/{routes}/filters/enabled',
  '/schemas/filters/{name}',
  '/schemas/plugins/validate',
  '/schemas/plugins/{name}',
  '/schemas/vaults/validate',
  '/schemas/vaults/{name}',
  '/schemas/{db_entity_name}/validate',
  '/schemas/{name}',
  '/status',
  '/status/dns',
  '/tags',
  '/tags/{tags}',
  '/timers',
  '/upstreams/{upstreams}/health',
  '/upstreams/{upstreams}/targets/all',
  '/upstreams/{upstreams}/targets/{targets}/healthy',
  '/upstreams/{upstreams}/targets/{targets}/unhealthy',
  '/upstreams/{upstreams}/targets/{targets}/{address}/healthy',
  '/upstreams/{upstreams}/targets/{targets}/{address}/unhealthy',
]

/** Every path of the Admin API, in the order in which `GET /endpoints` lists them. */
export function listEndpoints(): readonly string[] {
  const own = DEFINITIONS.flatMap(({ path, name }) => [`/${path}`, `/${path}/{${name}}`])
  const related = RELATIONS.flatMap(({ child, field, parent }) => {
    const { path, nestedPath } = ENTITIES[child]
    const beneath = `/${ENTITIES[parent].path}/{${parent}}/${nestedPath}`
    return [`/${path}/{${child}}/${field}`, beneath, `${beneath}/{${child}}`]
  })
  const rank = (path: string) => path.replaceAll('/', '\0')
  return [...own, ...related, ...OTHER_PATHS].sort((a, b) => (rank(a) < rank(b) ? -1 : 1))
}
