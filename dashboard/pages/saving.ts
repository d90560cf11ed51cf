import type { Draft } from '../api/changes.ts'
import type { Versioned } from '../api/entities.ts'
import type { EntityDraft } from '../form/entity-draft.ts'
import { knownPart } from '../model/difference.ts'
import type { KindView } from '../model/kinds.ts'
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
  if (!base) return { title: `Create this ${noun}?`, draft: creationOf(kind, value), isDeletion: false }
  const draft = { method: 'PATCH', ...placeOf(kind, base), body }
  return { title: 'Save these changes?', draft, isDeletion: false }
}

export function deletionOf({ path: kind, noun }: KindView, base: Versioned): Asked {
  return {
    title: `Delete this ${noun}?`,
    draft: { method: 'DELETE', ...placeOf(kind, base) },
    isDeletion: true,
  }
}

export const creationOf = (kind: string, body: Json): Draft => ({
  method: 'POST',
  path: `/v1/${kind}`,
  body,
  isMaking: true,
})

/** Of the version that was looked at. */
const placeOf = (kind: string, { row, etag }: Versioned) => ({
  path: `/v1/${kind}/${row.id}`,
  ifMatch: etag,
})
