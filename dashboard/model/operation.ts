import type { Json } from './schema.ts'

export type Action = 'create' | 'replace' | 'update' | 'delete'

/** What is to be done with one entity. */
export interface Operation {
  readonly action: Action
  /** Path of its kind. */
  readonly kind: string
  readonly key?: string
  readonly body?: Json
  readonly if_match?: string
}
