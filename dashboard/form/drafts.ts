import type { Versioned } from '../api/entities.ts'
import type { FormNode } from '../model/form.ts'

export interface FormDraft {
  /** What the form was made of; undefined: something new. */
  readonly base: Versioned | undefined
  readonly node: FormNode
}

/** What was typed and not saved, by address; kept while the page is open, so that looking elsewhere loses nothing. */
export const drafts = new Map<string, FormDraft>()
