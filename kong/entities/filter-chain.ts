import { defineEntity, type Reference } from './entity.ts'
import { checkName, checkTag } from './validators.ts'

export type FilterChain = {
  readonly id: string
  readonly created_at: number
  readonly updated_at: number
  readonly name: string | null
  readonly enabled: boolean
  readonly route: Reference | null
  readonly service: Reference | null
  readonly filters: readonly { readonly name: string; readonly enabled: boolean; readonly config: unknown }[]
  readonly tags: readonly string[] | null
}

/** Chains of WebAssembly filters, which this gateway refuses as a Kong without `wasm = on` does. */
export const filterChain = defineEntity({
  name: 'filter_chains',
  noun: 'filter chain',
  path: 'filter-chains',
  endpointKey: 'name',
  cacheKey: ['route', 'service'],
  identity: [['name'], ['service'], ['route']],
  rules: {
    '': { checks: [() => 'wasm support is not enabled'] },
    name: checkName,
    'filters.elements.config': checkConfig,
    'tags.elements': checkTag,
  },
})

/** The schema of filters that have none of their own. */
function checkConfig(config: unknown): string | undefined {
  if (typeof config === 'string') return undefined
  const type = Array.isArray(config) ? 'array' : typeof config
  return `wrong type: expected one of string, null, got ${type}`
}
