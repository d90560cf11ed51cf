import type { EventDraft } from '../../sdk/event.ts'
import type { Change } from './change.ts'
import { KINDS } from './kinds.ts'
import type { Mask } from './mask.ts'

export interface RecordContext {
  /** Who runs the bootstrap. */
  readonly actor: string
  /** Without user information. */
  readonly adminUrl: string
  readonly selectTags: readonly string[]
  readonly mask: Mask
}

const PAST = { create: 'created', update: 'updated', delete: 'deleted' } as const
const OPPOSITE = { create: 'delete', update: 'update', delete: 'create' } as const

/** The event of a change, or of its being taken back; secrets masked. */
export function eventOf(change: Change, context: RecordContext, isUndo = false): EventDraft {
  const kind = KINDS[change.kind]
  const action = isUndo ? OPPOSITE[change.action] : change.action
  const [before, after] = isUndo ? [change.after, change.before] : [change.before, change.after]
  return {
    type: `gateway.${kind.event}.${PAST[action]}.v1`,
    subject: `${change.kind}/${change.id}`,
    data: {
      id: change.id,
      name: change.label,
      fields: change.fields,
      actor: context.actor,
      admin_url: context.adminUrl,
      select_tag: context.selectTags.join(','),
      ...(before && { before: context.mask.row(change.kind, before) }),
      ...(after && { after: context.mask.row(change.kind, after) }),
      ...(isUndo && { undo: true }),
    },
  }
}
