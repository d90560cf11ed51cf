import { defineEntity, type Reference } from './entity.ts'
import type { Protocol } from './protocol.ts'
import { checkName, checkTag } from './validators.ts'

export type Plugin = {
  readonly id: string
  readonly created_at: number
  readonly updated_at: number
  readonly name: string
  readonly instance_name: string | null
  readonly route: Reference | null
  readonly service: Reference | null
  readonly consumer: Reference | null
  /** Complete: every default of the plugin's schema is filled in, absent values are null. */
  readonly config: Readonly<Record<string, unknown>>
  readonly protocols: readonly Protocol[]
  readonly enabled: boolean
  readonly tags: readonly string[] | null
}

const SCOPE = ['name', 'route', 'service', 'consumer']
const IDENTITY = ['name', 'service', 'route', 'consumer'] as const

export const plugin = defineEntity({
  name: 'plugins',
  noun: 'plugin',
  endpointKey: 'instance_name',
  cacheKey: SCOPE,
  identity: [IDENTITY],
  declaredUnique: [IDENTITY, ['instance_name']],
  fixed: ['name'],
  shownBy: ['name'],
  rules: {
    '': {
      subschema_key: 'name',
      subschema_error: "plugin '%s' not enabled; add it to the 'plugins' configuration property",
    },
    instance_name: checkName,
    'tags.elements': checkTag,
  },
})
