import { type Answer, message, noContent, notFoundAnswer, ok } from './answer.ts'
import type { Methods, Resolve } from './route.ts'

/** What Kong has and this gateway has nothing for: said in the words of a Kong in which it is switched off. */

const onlyWhen = (what: string): Answer => message(400, `this endpoint is only available when ${what}`)

const NO_CLUSTER = onlyWhen('Kong is configured to run as Control Plane for the cluster')
const NO_WASM = onlyWhen('wasm is enabled')

const reading = (answer: Answer): Methods => ({ GET: () => answer })

/** Any method on a path of WebAssembly filters. */
const WITHOUT_WASM: Methods = {
  GET: () => NO_WASM,
  POST: () => NO_WASM,
  PUT: () => NO_WASM,
  PATCH: () => NO_WASM,
  DELETE: () => NO_WASM,
}

export const resolveUnavailable: Resolve = path => {
  const [first, second, third] = path
  if (first === 'filter-chains' || third === 'filter-chains' || (first === 'routes' && third === 'filters'))
    return WITHOUT_WASM
  switch (path.join('/')) {
    case 'clustering/status':
    case 'clustering/data-planes':
      return reading(NO_CLUSTER)
    case 'status/dns':
      return reading(message(501, 'not implemented with the legacy DNS client'))
    case 'timers':
      return reading(ok({ worker: { id: 0, count: 1 }, stats: { flamegraph: {}, sys: {}, timers: {} } }))
    case 'cache':
      return { DELETE: () => noContent }
    default:
      return first === 'cache' && second !== undefined && path.length === 2
        ? { GET: () => notFoundAnswer, DELETE: () => noContent }
        : undefined
  }
}
