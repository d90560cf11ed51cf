import { type Draft, draftOf } from '../api/changes.ts'
import type { Versioned } from '../api/entities.ts'
import type { EntityDraft } from '../form/entity-draft.ts'
import { knownPart } from '../model/difference.ts'
import type { KindView } from '../model/kinds.ts'
import type { Operation } from '../model/operation.ts'
import type { FieldSchema, Json } from '../model/schema.ts'

/** A change of the entity that a form shows, to be reviewed. */
export interface Asked {
  readonly title: string
  readonly draft: Draft
  readonly isDeletion: boolean
}

export function savingOf(
  { path: kind, noun }: KindView,
  { base, value, patch }: EntityDraft,
  schema: FieldSchema,
): Asked {
  // Kong checks the configuration of a plugin as it is sent, so it is sent whole.
  const isConfigured = kind === 'plugins' && patch.config !== undefined
  const { config } = isConfigured ? (knownPart(schema, value) as Json) : patch
  const body = { ...patch, ...(isConfigured && { config }) }
  const operation: Operation = base
    ? { action: 'update', kind, key: String(base.row.id), body, if_match: base.etag }
    : { action: 'create', kind, body: value }
  const title = base ? 'Save these changes?' : `Create this ${noun}?`
  return { title, draft: draftOf(operation), isDeletion: false }
}

export function deletionOf({ path: kind, noun }: KindView, { row, etag }: Versioned): Asked {
  const operation: Operation = { action: 'delete', kind, key: String(row.id), if_match: etag }
  return { title: `Delete this ${noun}?`, draft: draftOf(operation), isDeletion: true }
}
