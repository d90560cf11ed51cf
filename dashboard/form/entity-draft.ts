import { useEffect, useMemo, useState } from 'preact/hooks'
import type { Versioned } from '../api/entities.ts'
import { patchOf } from '../model/difference.ts'
import { type FormFault, type FormNode, toNode, toValue } from '../model/form.ts'
import { type FieldSchema, isObject, type Json } from '../model/schema.ts'
import { drafts } from './drafts.ts'

/** An entity while it is edited. */
export interface EntityDraft {
  /** What the form was made of; undefined: it is to be made. */
  readonly base: Versioned | undefined
  /** The fields of `base` that a form has, or what a new one begins with. */
  readonly row: Json
  readonly node: FormNode
  /** Only sensible where there are no faults. */
  readonly value: Json
  /** What keeps the form from having a value. */
  readonly faults: readonly FormFault[]
  readonly patch: Json
  readonly isDirty: boolean
  /** It was begun before, and left. */
  readonly isResumed: boolean
  edit(node: FormNode): void
  discard(): void
  /** Goes on from another version. */
  rebase(base: Versioned, value: Json): void
  /** It is saved. */
  end(): void
}

/** An entity's own fields, without times and id. */
export function ownFields(schema: FieldSchema, row: Json): Json {
  const names = new Set((schema.fields ?? []).flatMap(field => Object.keys(field)))
  return Object.fromEntries(Object.entries(row).filter(([name]) => names.has(name)))
}

export interface DraftStart {
  readonly schema: FieldSchema
  readonly base: Versioned | undefined
  readonly start: Json
}

/** @param key under which it is kept when the page is left */
export function useEntityDraft(key: string, { schema, base: loaded, start }: DraftStart): EntityDraft {
  const kept = drafts.get(key)
  const [base, setBase] = useState(kept?.base ?? loaded)
  const row = useMemo(() => (base ? ownFields(schema, base.row) : start), [base])
  const [node, setNode] = useState<FormNode>(() => kept?.node ?? toNode(schema, row))
  const { value, faults } = useMemo(() => toValue(node), [node])
  const whole = isObject(value) ? value : {}
  const patch = useMemo(() => patchOf(schema, row, whole), [value, row])
  const isDirty = Object.keys(patch).length > 0 || faults.length > 0
  useEffect(() => {
    if (isDirty) drafts.set(key, { base, node })
    else drafts.delete(key)
  }, [isDirty, node, base])
  return {
    ...{ base, row, node, value: whole, faults, patch, isDirty },
    isResumed: isDirty && kept?.node === node && kept !== undefined,
    edit: setNode,
    discard: () => setNode(toNode(schema, row)),
    rebase(next, nextValue) {
      setBase(next)
      setNode(toNode(schema, nextValue))
    },
    end: () => void drafts.delete(key),
  }
}
