import type { ComponentChildren } from 'preact'
import type { FormNode } from '../model/form.ts'
import { formatValue } from '../model/format.ts'

/** What every field of a form is given. */
export interface FieldProps<N extends FormNode = FormNode> {
  readonly name: string
  /** JSON pointer of the value. */
  readonly pointer: string
  readonly node: N
  readonly onChange: (node: FormNode) => void
  readonly form: FormContext
}

/** What is the same for all fields of a form. */
export interface FormContext {
  /** What is wrong, by JSON pointer. */
  readonly faults: ReadonlyMap<string, string>
  /** The entity is not there yet: what is absent gets its default. */
  readonly isNew: boolean
  readonly isReadOnly: boolean
  /** What a node is edited with: fields hold fields. */
  readonly Editor: (props: FieldProps & { readonly ids: Ids }) => ComponentChildren
  /** Fields that cannot be changed, by name at the top. */
  readonly fixed: ReadonlySet<string>
}

/** Ids of what belongs to an input. */
export interface Ids {
  readonly input: string
  readonly help: string
}

/** What stands in a field that is not set. The fields of a record tell their defaults themselves. */
export function unsetText({ kind, presence, schema }: FormNode, { isNew }: FormContext): string {
  const isDefault = schema.default !== undefined && (isNew ? presence === 'absent' : presence !== 'unset')
  if (!isDefault) return 'not set'
  return kind === 'record' ? 'default' : `default: ${formatValue(schema.default)}`
}
